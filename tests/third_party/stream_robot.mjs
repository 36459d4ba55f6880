// A robot on the official Node Stream SDK. What it hears it prints, one JSON object a line.
//     node stream_robot.mjs CLIENT_ID CLIENT_SECRET URL
// The SDK has no setting for its hosts: requests to them are sent to URL by an interceptor of the axios that it uses.
import axios from 'axios';
import { DWClient, EventAck, TOPIC_CARD, TOPIC_ROBOT } from 'dingtalk-stream';

const [clientId, clientSecret, url] = process.argv.slice(2);
const tell = (kind, more) => console.log(JSON.stringify({ kind, ...more }));

axios.interceptors.request.use((request) => {
    request.url = request.url.replace(/^https:\/\/o?api\.dingtalk\.com/, url);
    return request;
});

const client = new DWClient({ clientId, clientSecret, keepAlive: true });
client.heartbeat_interval = 500;

client.registerAllEventListener((event) => {
    tell('event', { data: JSON.parse(event.data), type: event.headers.eventType });
    return { status: EventAck.SUCCESS, message: 'done' };
});

client.registerCallbackListener(TOPIC_ROBOT, async (frame) => {
    const message = JSON.parse(frame.data);
    tell('message', { text: message.text.content, msgId: message.msgId, messageId: frame.headers.messageId });
    const token = await client.getAccessToken();
    const reply = { msgtype: 'text', text: { content: `收到：${message.text.content}` }, at: { atUserIds: [message.senderStaffId] } };
    const answer = await axios.post(message.sessionWebhook, reply, { headers: { 'x-acs-dingtalk-access-token': token } });
    client.socketCallBackResponse(frame.headers.messageId, answer.data);
});

client.registerCallbackListener(TOPIC_CARD, (frame) => {
    tell('button', JSON.parse(frame.data));
    client.socketCallBackResponse(frame.headers.messageId, { cardData: { cardParamMap: { a: '1' } } });
});

await client.connect();
