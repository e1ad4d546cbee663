// The gateway from Vercel's AI SDK by its default for OpenAI: the Responses API.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { BASE_URL, KEY, run, sendScore, sendScoreOfEpisode, steering } from "./checking.mjs";

const openai = (headers = {}) => createOpenAI({ baseURL: BASE_URL, apiKey: KEY, headers });
const model = openai()("dari/routing");
const quiet = { maxRetries: 0 };
const weather = tool({
  description: "The weather in a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `18 °C and clear in ${city}`,
});
const withTools = { model, prompt: "What is the weather in Rome?", tools: { weather }, stopWhen: stepCountIs(3), ...quiet };
const City = z.object({ name: z.string(), people: z.int() });

await run({
  async responses() {
    const answer = await generateText({ model, prompt: "Say hello.", ...quiet });
    assert.ok(answer.text);
    return `${answer.response.modelId}, ${answer.usage.outputTokens}`;
  },

  async stream() {
    const answer = streamText({ model, prompt: "Say hello.", ...quiet });
    let text = "";
    for await (const part of answer.textStream) text += part;
    assert.ok(text);
    return `${(await answer.usage).totalTokens} tokens`;
  },

  async tools() {
    const answer = await generateText(withTools);
    assert.equal(answer.steps.length, 2);
    return answer.text;
  },

  async schema() {
    const answer = await generateText({ model, prompt: "Name a city.", output: Output.object({ schema: City }), ...quiet });
    return JSON.stringify(answer.output);
  },

  async feedback() {
    return sendScore((await generateText({ model, prompt: "Say hello.", ...quiet })).response.id, 0.9);
  },

  async steered() {
    await generateText({ ...withTools, model: openai(steering("run-ai-sdk"))("dari/routing") });
    return sendScoreOfEpisode("run-ai-sdk", 0.9);
  },
});
