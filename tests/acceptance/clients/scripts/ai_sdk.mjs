// The gateway from Vercel's AI SDK, with its provider for OpenAI-compatible servers.

import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { BASE_URL, CUT_URL, KEY, raised, run, sendScore } from "./checking.mjs";

const gateway = (changes = {}) =>
  createOpenAICompatible({
    name: "bandit",
    baseURL: BASE_URL,
    apiKey: KEY,
    includeUsage: true, // tokens of streams
    supportsStructuredOutputs: true, // schemas are sent; otherwise only "some JSON" is asked for
    ...changes,
  });
const model = gateway()("dari/routing");
const quiet = { maxRetries: 0 };
const City = z.object({ name: z.string(), people: z.int() });
const weather = tool({
  description: "The weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `18 °C and clear in ${city}`,
});
const withTools = { model, prompt: "What is the weather in Rome?", tools: { weather }, stopWhen: stepCountIs(3), ...quiet };
const told = (call) => `${call.toolName}(${JSON.stringify(call.input)})`;

await run({
  async plain() {
    const answer = await generateText({ model, prompt: "Say hello.", ...quiet });
    assert.ok(answer.text);
    assert.ok(answer.usage.outputTokens > 0);
    assert.equal(answer.finishReason, "stop");
    return `response.modelId ${answer.response.modelId}`;
  },

  async stream() {
    const answer = streamText({ model, prompt: "Say hello.", ...quiet });
    let text = "";
    for await (const part of answer.textStream) text += part;
    assert.ok(text);
    const usage = await answer.usage;
    assert.ok(usage.outputTokens > 0);
    const { modelId } = await answer.response;
    assert.equal(modelId, "simulated/swift");
    return `${usage.totalTokens} tokens, ${modelId}`;
  },

  async tools() {
    const answer = await generateText(withTools);
    assert.equal(answer.steps.length, 2);
    assert.ok(answer.text);
    return told(answer.steps[0].toolCalls[0]);
  },

  async "tools-stream"() {
    const answer = streamText(withTools);
    assert.ok(await answer.text);
    const [first] = await answer.steps;
    assert.equal(typeof first.toolCalls[0].input.city, "string");
    return told(first.toolCalls[0]);
  },

  async schema() {
    const asked = { model, prompt: "Name a city.", output: Output.object({ schema: City }), ...quiet };
    const answer = await generateText(asked);
    assert.ok(City.parse(answer.output));
    assert.ok(City.parse(await streamText(asked).output));
    return JSON.stringify(answer.output);
  },

  async instructions() {
    // Under the provider's own name, everything that the SDK does not know is sent as it is.
    const providerOptions = { bandit: { routing: { instructions: "Only use sage." } } };
    const answer = await generateText({ model, prompt: "Say hello.", providerOptions, ...quiet });
    assert.equal(answer.response.modelId, "simulated/sage");
    return answer.response.modelId;
  },

  async reason() {
    const answer = await generateText({ model, prompt: "Say hello.", ...quiet });
    return answer.response.body.dari_routing.reason;
  },

  async feedback() {
    const streamed = streamText({ model, prompt: "Say hello.", ...quiet });
    await streamed.consumeStream();
    await sendScore((await streamed.response).id, 0.5);
    return sendScore((await generateText({ model, prompt: "Say hello.", ...quiet })).response.id, 0.9);
  },

  async error() {
    const seen = await raised(generateText({ model: gateway()("gpt-4o"), prompt: "Say hello.", ...quiet }));
    assert.ok(APICallError.isInstance(seen));
    const { code, param, message } = seen.data.error;
    assert.deepEqual([seen.statusCode, code], [400, "model_not_supported"]);
    return `${seen.name} ${seen.statusCode} ${code} param=${param}: ${message}`;
  },

  async key() {
    const wrong = gateway({ apiKey: "wrong" })("dari/routing");
    const seen = await raised(generateText({ model: wrong, prompt: "Say hello.", ...quiet }));
    assert.deepEqual([seen.statusCode, seen.data.error.code], [401, "invalid_api_key"]);
    return `${seen.name} ${seen.statusCode} ${seen.data.error.code}: ${seen.message}`;
  },

  async cut() {
    const other = gateway({ baseURL: CUT_URL })("dari/routing");
    const errors = [];
    const answer = streamText({ model: other, prompt: "Say hello.", onError: ({ error }) => errors.push(error), ...quiet });
    let text = "";
    for await (const part of answer.textStream) text += part;
    assert.ok(text);
    assert.equal(errors.length, 1);
    assert.equal(await answer.finishReason, "error");
    return `onError: ${errors[0]?.name ?? typeof errors[0]} ${errors[0]?.message ?? JSON.stringify(errors[0])}`;
  },
});
