typedef int llm_images_is_empty;
