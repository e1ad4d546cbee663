"""What tests of commands run in."""

from pathlib import Path

import pytest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to run in, and no provider's key in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI", "ANTHROPIC", "OPENROUTER", "GEMINI", "GROQ", "MISTRAL", "DEEPSEEK", "TOGETHER", "XAI"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
    for name in ("CONFIG", "DATABASE_URL", "ADMIN_KEY"):
        monkeypatch.delenv(f"BANDIT_GATEWAY_{name}", raising=False)
    return tmp_path
