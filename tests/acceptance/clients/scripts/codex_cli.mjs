// The gateway from Codex, OpenAI's coding agent for the terminal.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BASE_URL, run, sendScoreOfEpisode, steering } from "./checking.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const home = mkdtempSync(join(here, "codex-"));
const work = join(home, "work");
mkdirSync(work);
const headers = Object.entries(steering("run-codex")).map(([name, value]) => `"${name}" = "${value}"`);
writeFileSync(
  join(home, "config.toml"),
  `model = "dari/routing"
model_provider = "bandit"
web_search = "disabled" # OpenAI's own tool, which no other provider has

[model_providers.bandit]
name = "Bandit Gateway"
base_url = "${BASE_URL}"
env_key = "BANDIT_GATEWAY_KEY"
wire_api = "responses"
request_max_retries = 0
http_headers = { ${headers.join(", ")} }
`,
);

async function codex(prompt) {
  const running = promisify(execFile)(
    join(here, "node_modules", ".bin", "codex"),
    ["exec", "--skip-git-repo-check", "--json", prompt],
    { cwd: work, env: { ...process.env, CODEX_HOME: home }, timeout: 100_000 },
  );
  running.child.stdin.end();
  const { stdout } = await running;
  const events = stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  assert.ok(events.some(({ type }) => type === "turn.completed"), stdout);
  return events;
}

await run({
  async responses() {
    const said = (await codex("Say hello.")).findLast(({ item }) => item?.type === "agent_message");
    assert.ok(said.item.text);
    return said.item.text.slice(0, 100);
  },

  async tools() {
    const ran = (await codex("List the files.")).filter(({ item }) => item?.type === "command_execution");
    assert.ok(ran.length);
    return ran[0].item.command;
  },

  async steered() {
    return sendScoreOfEpisode("run-codex", 0.9);
  },
});
