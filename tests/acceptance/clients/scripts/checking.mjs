// Runs the checks of one client and says, one JSON line for each, whether it held and what the user saw.

import assert from "node:assert/strict";

const { BANDIT_GATEWAY_URL: url, BANDIT_GATEWAY_KEY, BANDIT_GATEWAY_ROUTER, BANDIT_GATEWAY_CUT_ROUTER } = process.env;

export const KEY = BANDIT_GATEWAY_KEY;
export const BASE_URL = `${url}/${BANDIT_GATEWAY_ROUTER ?? "rtr_default"}/v1`; // or without the /v1
// A router whose only model cuts its streams.
export const CUT_URL = `${url}/${BANDIT_GATEWAY_CUT_ROUTER ?? "rtr_default"}`;

// Each check gives what to tell of it, and throws where something is not right.
export async function run(checks) {
  for (const [check, tell] of Object.entries(checks)) {
    let line;
    try {
      line = { check, ok: true, detail: await tell() };
    } catch (error) {
      line = { check, ok: false, detail: `${error?.name}: ${error?.message}`.slice(0, 500) };
    }
    console.log(JSON.stringify(line));
  }
}

// The error that a promise is rejected with.
export async function raised(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  assert.fail(`nothing was thrown; it gave ${JSON.stringify(value)}`);
}

const TASK = "greetings";
const MODEL = "simulated/sage";

// Headers that say what fields of the body say.
export const steering = (episodeId) => ({
  "x-router-task": TASK,
  "x-router-instructions": "Only use sage.",
  "x-router-episode": episodeId,
});

// Score an episode, and see that all its completions were steered as `steering` asks.
export async function sendScoreOfEpisode(episodeId, score) {
  const scored = await ask("/feedback", KEY, { episode_id: episodeId, score });
  for (const { completion_id, model } of scored.completions) {
    assert.equal(model, MODEL);
    const decision = await ask(`/admin/decisions/${completion_id}`, process.env.BANDIT_GATEWAY_ADMIN_KEY);
    assert.equal(decision.task, TASK);
  }
  return `${scored.completions.length} completions of ${episodeId}: ${scored.status}`;
}

async function ask(path, key, body) {
  const answer = await fetch(url + path, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

// Tell the gateway how good an answer was; the id is that of the completion.
export async function sendScore(completionId, score) {
  const answer = await fetch(`${url}/feedback`, {
    method: "POST",
    headers: { Authorization: `Bearer ${KEY}`, "Content-Type": "application/json" },
    body: JSON.stringify({ completion_id: completionId, score }),
  });
  assert.equal(answer.status, 200, `${completionId}: ${answer.status}`);
  return `${completionId}: ${(await answer.json()).status}`;
}
