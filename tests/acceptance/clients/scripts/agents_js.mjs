// The gateway from OpenAI's Agents SDK for JavaScript, by its default, the Responses API.

import assert from "node:assert/strict";
import { Agent, OpenAIProvider, run as runAgent, Runner, setDefaultOpenAIClient, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { BASE_URL, KEY, run, sendScore, sendScoreOfEpisode, steering } from "./checking.mjs";

setTracingDisabled(true); // it would send traces to OpenAI
const client = (defaultHeaders = {}) => new OpenAI({ baseURL: BASE_URL, apiKey: KEY, maxRetries: 0, defaultHeaders });
setDefaultOpenAIClient(client());
const weather = tool({
  name: "weather",
  description: "The weather in a city.",
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `18 °C and clear in ${city}`,
});
const plainAgent = new Agent({ name: "helper", model: "dari/routing" });
const agent = new Agent({ name: "helper", model: "dari/routing", tools: [weather] });

await run({
  async responses() {
    return (await runAgent(plainAgent, "Say hello.")).finalOutput;
  },

  async stream() {
    let events = 0;
    for await (const _ of await runAgent(agent, "What is the weather in Rome?", { stream: true })) events++;
    return `${events} events`;
  },

  async tools() {
    const result = await runAgent(agent, "What is the weather in Rome?");
    assert.equal(result.rawResponses.length, 2);
    return result.finalOutput;
  },

  async feedback() {
    return sendScore((await runAgent(plainAgent, "Say hello.")).rawResponses[0].responseId, 0.9);
  },

  async steered() {
    const modelProvider = new OpenAIProvider({ openAIClient: client(steering("run-agents-js")) });
    await new Runner({ modelProvider }).run(agent, "What is the weather in Rome?");
    return sendScoreOfEpisode("run-agents-js", 0.9);
  },
});
