// The gateway from OpenAI's client for Node.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { BASE_URL, CUT_URL, KEY, raised, run, sendScore } from "./checking.mjs";

const client = new OpenAI({ baseURL: BASE_URL, apiKey: KEY, maxRetries: 0 });
const model = "dari/routing";
const hello = [{ role: "user", content: "Say hello." }];
const question = { role: "user", content: "What is the weather in Rome?" };
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      description: "The weather in a city.",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const City = z.object({ name: z.string(), people: z.int() });
const told = (call) => `${call.function.name}(${call.function.arguments})`;

await run({
  async plain() {
    const answer = await client.chat.completions.create({ model, messages: hello });
    assert.ok(answer.choices[0].message.content);
    assert.ok(answer.usage.completion_tokens > 0);
    return `answer.model ${answer.model}`;
  },

  async stream() {
    let text = "";
    let usage, answeredBy;
    const options = { include_usage: true };
    const chunks = await client.chat.completions.create({ model, messages: hello, stream: true, stream_options: options });
    for await (const chunk of chunks) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
      answeredBy = chunk.model;
    }
    assert.ok(text);
    assert.equal(answeredBy, "simulated/swift");
    assert.ok(usage.completion_tokens > 0);
    return `${usage.total_tokens} tokens, ${answeredBy}`;
  },

  async tools() {
    const first = await client.chat.completions.create({ model, messages: [question], tools });
    assert.equal(first.choices[0].finish_reason, "tool_calls");
    const [call] = first.choices[0].message.tool_calls;
    const result = { role: "tool", tool_call_id: call.id, content: "18 °C, clear" };
    const messages = [question, first.choices[0].message, result];
    const second = await client.chat.completions.create({ model, messages, tools });
    assert.ok(second.choices[0].message.content);
    return told(call);
  },

  async "tools-stream"() {
    const final = await client.chat.completions.stream({ model, messages: [question], tools }).finalChatCompletion();
    const [call] = final.choices[0].message.tool_calls;
    assert.ok(JSON.parse(call.function.arguments).city);
    return told(call);
  },

  async schema() {
    const asked = { model, messages: [{ role: "user", content: "Name a city." }] };
    const format = { response_format: zodResponseFormat(City, "city") };
    const answer = await client.chat.completions.parse({ ...asked, ...format });
    const streamed = await client.chat.completions.stream({ ...asked, ...format }).finalChatCompletion();
    for (const each of [answer, streamed]) {
      assert.ok(City.parse(each.choices[0].message.parsed));
    }
    return JSON.stringify(answer.choices[0].message.parsed);
  },

  async instructions() {
    const routing = { instructions: "Only use sage." };
    const answer = await client.chat.completions.create({ model, messages: hello, routing });
    assert.equal(answer.model, "simulated/sage");
    return answer.model;
  },

  async reason() {
    return (await client.chat.completions.create({ model, messages: hello })).dari_routing.reason;
  },

  async feedback() {
    let streamed;
    for await (const chunk of await client.chat.completions.create({ model, messages: hello, stream: true })) {
      streamed = chunk.id;
    }
    await sendScore(streamed, 0.5);
    return sendScore((await client.chat.completions.create({ model, messages: hello })).id, 0.9);
  },

  async error() {
    const seen = await raised(client.chat.completions.create({ model: "gpt-4o", messages: hello }));
    assert.ok(seen instanceof OpenAI.BadRequestError);
    assert.deepEqual([seen.status, seen.code, seen.param], [400, "model_not_supported", "model"]);
    assert.match(seen.requestID, /^req_/);
    return `${seen.constructor.name} ${seen.status} ${seen.code} param=${seen.param}: ${seen.error.message}`;
  },

  async key() {
    const wrong = client.withOptions({ apiKey: "wrong" });
    const seen = await raised(wrong.chat.completions.create({ model, messages: hello }));
    assert.ok(seen instanceof OpenAI.AuthenticationError);
    assert.deepEqual([seen.status, seen.code], [401, "invalid_api_key"]);
    return `${seen.constructor.name} ${seen.status} ${seen.code}: ${seen.error.message}`;
  },

  async cut() {
    const said = [];
    const read = async () => {
      const other = client.withOptions({ baseURL: CUT_URL });
      for await (const chunk of await other.chat.completions.create({ model, messages: hello, stream: true })) {
        said.push(chunk.choices[0].delta.content ?? "");
      }
    };
    const seen = await raised(read());
    assert.ok(seen instanceof OpenAI.APIError);
    assert.ok(said.join(""));
    return `${seen.constructor.name} ${seen.code}: ${seen.error?.message}`;
  },
});
