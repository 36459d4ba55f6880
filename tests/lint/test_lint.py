"""tools/lint: each check passes a small tree that is in order, and fails, with file and line, on one mistake in it."""
import importlib.machinery
import importlib.util
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINT = ROOT / "tools/lint"

ARCHITECTURE = """# Tables

    src/chat/      turns        → store/store.h, util
    src/store/     rows         → util
    src/util/      texts        → nothing of ours

    sqlite3.h      SQLite       src/store/
    openssl/       libcrypto    src/util/crypto.c
"""

TREE = {
    "docs/ARCHITECTURE.md": ARCHITECTURE,
    "src/chat/turn.c": '#include "chat/turn.h"\n\n#include "store/store.h"\n#include "util/text.h"\n\n'
                       "int turn(int row)\n{\n    return store_row(row) + text_size();\n}\n",
    "src/chat/turn.h": "#ifndef TURN_H\n#define TURN_H\n\nint turn(int row);\n\n#endif\n",
    "src/store/store.c": '#include "store/store.h"\n\n#include <sqlite3.h>\n\n'
                         "int store_row(int row)\n{\n    return row + SQLITE_OK;\n}\n",
    "src/store/store.h": "#ifndef STORE_H\n#define STORE_H\n\nint store_row(int row);\n\n#endif\n",
    "src/store/inner.h": "#ifndef INNER_H\n#define INNER_H\n#endif\n",
    "src/util/text.c": '#include "util/text.h"\n\n#include <stdlib.h>\n\n'
                       "int text_size(void)\n{\n    void *p = malloc(3);\n    free(p);\n    return p != NULL;\n}\n",
    "src/util/text.h": "#ifndef TEXT_H\n#define TEXT_H\n\nint text_size(void);\n\n#endif\n",
    "tests/unit/test_turn.c": '#include "chat/turn.h"\n\nint main(void)\n{\n    return turn(0);\n}\n',
    "tools/install.sh": '#!/bin/sh\nset -eu\necho "$1"\n',
    "tools/numbers": "#!/usr/bin/env python3\nprint(1)\n",
}


def function(lines):
    """A C file with one function of so many lines."""
    return '#include "chat/turn.h"\n\nint turn(int row)\n{\n' + "    row++;\n" * (lines - 1) + "    return row;\n}\n"


def body(line, before=""):
    """A C file with one line in a function."""
    return f'#include "chat/turn.h"\n{before}\nint turn(int row)\n{{\n    {line}\n}}\n'


# check, file, what it is replaced with, and what the check must say
MISTAKES = {
    "layout": ("format", "src/chat/turn.c", body("return  row ;"), r"src/chat/turn\.c:5:\d+: error"),
    "layout of a test": ("format", "tests/unit/test_turn.c", "int main(void) { return 0; }\n", r"tests/unit/test_turn\.c:1:"),
    "use after free": ("tidy", "src/util/text.c", '#include "util/text.h"\n\n#include <stdlib.h>\n\nint text_size(void)\n{\n    int *p = malloc(4);\n'
                       "    free(p);\n    return *p;\n}\n", r"src/util/text\.c:9:.*after it is freed"),
    "empty branch": ("tidy", "tests/unit/test_turn.c", "int main(int argc, char **argv)\n{\n    if (argc > 1);\n        return 1;\n    return 0;\n}\n",
                     r"tests/unit/test_turn\.c:3:.*bugprone-suspicious-semicolon"),
    "leak": ("cppcheck", "src/util/text.c", '#include "util/text.h"\n\n#include <stdlib.h>\n\nint text_size(void)\n{\n    char *p = malloc(4);\n'
             "    return p != NULL;\n}\n", r"src/util/text\.c:8: error: .*memleak"),
    "header that leans on another": ("headers", "src/chat/turn.h", "#ifndef TURN_H\n#define TURN_H\n\nsize_t turn(void);\n\n#endif\n",
                                     r"src/chat/turn\.h:4:\d+: error: unknown type"),
    "header without a guard": ("headers", "src/chat/turn.h", "struct turn {\n    int row;\n};\n", r"src/chat/turn\.h:1:\d+: error: redefinition"),
    "banned function": ("words", "src/chat/turn.c", body('return strcpy("a", "b") == 0;'), r"src/chat/turn\.c:5: strcpy is banned"),
    "raw memory": ("words", "src/chat/turn.c", body("return malloc(3) == 0;"), r"src/chat/turn\.c:5: malloc belongs to src/util/"),
    "long function": ("sizes", "src/chat/turn.c", function(61), r"src/chat/turn\.c:4: 61 lines; a function has 60 at most"),
    "long file": ("sizes", "src/chat/turn.h", "\n" * 801, r"src/chat/turn\.h:1: 801 lines; a file has 800 at most"),
    "room above": ("rooms", "src/store/store.c", '#include "store/store.h"\n#include "chat/turn.h"\n', r'src/store/store\.c:2: src/store/ may not include "chat/turn\.h"'),
    "header that is not the room's face": ("rooms", "src/chat/turn.c", '#include "chat/turn.h"\n#include "store/inner.h"\n',
                                           r'src/chat/turn\.c:2: src/chat/ may not include "store/inner\.h"; it may include: store/store\.h, util'),
    "path upwards": ("rooms", "src/chat/turn.c", '#include "chat/turn.h"\n#include "../store/inner.h"\n', r"src/chat/turn\.c:2: .* is not a header below src/"),
    "library outside its room": ("rooms", "src/chat/turn.h", "#include <sqlite3.h>\n", r"src/chat/turn\.h:1: <sqlite3\.h> belongs to src/store/"),
    "library outside its module": ("rooms", "src/util/text.h", "#include <openssl/evp.h>\n", r"src/util/text\.h:1: <openssl/evp\.h> belongs to src/util/crypto\.c"),
    "own header second": ("rooms", "src/chat/turn.c", '#include "util/text.h"\n#include "chat/turn.h"\n', r"src/chat/turn\.c:1: a module includes its own header first"),
    "room that the table does not know": ("rooms", "src/attic/old.h", "", r"the table of rooms has no line for src/attic/"),
    "header in the table that is gone": ("rooms", "docs/ARCHITECTURE.md", ARCHITECTURE.replace("store/store.h", "store/rows.h"),
                                         r"src/chat/ may include store/rows\.h, which is not there"),
    "shell": ("shell", "tools/install.sh", "#!/bin/sh\nrm -rf $1\n", r"tools/install\.sh:2:.*SC2086"),
    "python": ("python", "tools/numbers", "#!/usr/bin/env python3\nimport os\n", r"tools/numbers:2:1:? 'os' imported but unused"),
}


def build(directory, changes=()):
    for name, text in {**TREE, **dict(changes)}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    for name in (".clang-format", ".clang-tidy"):
        shutil.copy(ROOT / name, directory / name)


def lint(directory, *checks):
    done = subprocess.run([sys.executable, LINT, "--root", directory, *checks], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def names_of_checks():
    return lint(ROOT, "--list")[1].split()


def test_a_tree_in_order_passes_every_check(tmp_path):
    build(tmp_path)
    code, said = lint(tmp_path)
    assert code == 0, said
    assert re.findall(r"^lint (\w+): ok", said, re.M) == names_of_checks()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_with_file_and_line(tmp_path, mistake):
    check, file, text, expected = MISTAKES[mistake]
    build(tmp_path, {file: text}.items())
    code, said = lint(tmp_path, check)
    assert code == 1, said
    assert re.search(expected, said), said


def test_a_source_found_clean_is_looked_at_again_when_its_header_changes(tmp_path):
    build(tmp_path)
    assert lint(tmp_path, "tidy")[0] == 0
    build(tmp_path, {"src/util/text.h": TREE["src/util/text.h"] + "static inline int sign(int n)\n{\n    if (n < 0);\n        return -1;\n    return 1;\n}\n"}.items())
    code, said = lint(tmp_path, "tidy")
    assert code == 1 and re.search(r"src/util/text\.h:9:.*bugprone-suspicious-semicolon", said), said
    assert lint(tmp_path, "tidy")[0] == 1
    build(tmp_path)
    assert lint(tmp_path, "tidy")[0] == 0


def test_every_check_has_a_mistake_here():
    assert {check for check, *_ in MISTAKES.values()} == set(names_of_checks())


def test_texts_comments_and_members_are_no_calls(tmp_path):
    build(tmp_path, {"src/chat/turn.c": '/* strcpy(a, b) */\nconst char *turn = "strcpy(a, b)"; // malloc(3)\nint x = y->system(0) + z.rand();\n'}.items())
    code, said = lint(tmp_path, "words")
    assert code == 0, said


def test_the_style_page_and_the_check_ban_the_same_functions():
    loader = importlib.machinery.SourceFileLoader("lint", str(LINT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
    loader.exec_module(module)
    listed = re.search(r"^- Banned: ([^;]+);", (ROOT / "docs/STYLE.md").read_text(), re.M)[1]
    assert set(re.split(r",\s*", listed)) == module.BANNED


def test_a_missing_tool_is_a_failure_that_names_it(tmp_path):
    build(tmp_path)
    done = subprocess.run([sys.executable, LINT, "--root", tmp_path, "format", "tidy"], text=True, stdout=subprocess.PIPE, env={"PATH": "/nonexistent"})
    assert done.returncode == 1
    assert "clang-format is not installed" in done.stdout and "clang-tidy is not installed" in done.stdout
