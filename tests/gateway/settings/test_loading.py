"""Settings: what a file and an environment come to, and how mistakes in them are told."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit.types import Objective
from gateway.settings import Settings, SettingsError, load
from gateway.settings.listening import TcpAddress
from gateway.settings.loading import override
from gateway.settings.presets import PRESETS
from gateway.settings.router_options import RouterOptions

Write = Callable[[str], Path]
OLLAMA = '[providers.ollama]\nbase_url = "http://127.0.0.1:11434/v1"\n'


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text, "utf-8")
        return path

    return write_file


JUDGED = 'judge = { model = "simulated/sage" }'


def problems_of(path: Path | None, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ or {})
    return caught.value.problems


def the_problem(path: Path | None, environ: dict[str, str] | None = None) -> str:
    problems = problems_of(path, environ)
    assert len(problems) == 1, problems
    return problems[0]


class TestNothingConfigured:
    def test_without_file_and_keys_the_simulated_models_serve(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        settings = load(None, {})
        assert settings.simulated
        assert list(settings.models) == ["simulated/swift", "simulated/steady", "simulated/sage"]
        assert settings.listening.addresses == (TcpAddress("127.0.0.1", 8790),)
        assert settings.database_url == "sqlite:///bandit-gateway.db"
        assert settings.durability == "commit"

    @pytest.mark.parametrize("name", PRESETS)
    def test_a_provider_key_in_the_environment_is_enough(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        settings = load(None, {PRESETS[name].variable: " a-key\n"})
        assert not settings.simulated
        assert settings.providers[name].api_keys == ("a-key",)
        assert 2 <= len(settings.models) <= 3
        assert {model.provider for model in settings.models.values()} == {name}

    def test_a_file_in_the_working_directory_is_found(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "bandit-gateway.toml").write_text('durability = "async"')
        monkeypatch.chdir(tmp_path)
        assert load(None, {}).durability == "async"

    def test_the_environment_can_name_the_file(self, write: Write) -> None:
        assert load(None, {"BANDIT_GATEWAY_CONFIG": str(write('durability = "async"'))}).durability == "async"


class TestDeclared:
    def test_the_documented_example_is_read_in_full(self, write: Write) -> None:
        path = write(
            """
            database_url = "sqlite:///a.db"
            durability = "async"
            listen = "192.0.2.1:99"
            sqlite_synchronous = "full"

            [providers.openai]
            kind = "openai"
            base_url = "https://api.openai.com/v1/"
            api_key = "env:MY_KEY"
            timeout_seconds = 60
            idle_seconds = 20
            drop = ["metadata"]

            [models."openai/gpt-5.5"]
            input_usd_per_million = 1.25
            cached_input_usd_per_million = 0.125
            output_usd_per_million = 10.0
            context_window = 400000
            abilities = ["tools", "json_schema", "vision"]

            [routers.rtr_support]
            name = "Support replies"
            models = ["openai/gpt-5.5", { id = "openai/gpt-5-mini", max_share = 0.5 }]
            policy = "thompson"
            request_timeout_seconds = 30
            max_attempts = 2
            store_content = true
            retention_days = "forever"
            instructions = false
            objective = { quality_usd = 0.02, second_usd = 0.001, failure_usd = 0.005 }
            budget_usd_per_request = 0.004
            max_usd_per_day = 50.0
            exploration = 0.05
            task_metadata_key = "kind"
            """
        )
        settings = load(path, {"MY_KEY": "sk-1"})
        assert settings.listening.addresses == (TcpAddress("192.0.2.1", 99),)
        openai = settings.providers["openai"]
        assert (openai.base_url, openai.api_keys) == ("https://api.openai.com/v1", ("sk-1",))
        assert (openai.timeout_seconds, openai.idle_seconds, openai.drop) == (60.0, 20.0, frozenset({"metadata"}))
        model = settings.models["openai/gpt-5.5"]
        assert (model.upstream_name, model.rates["cached_input_usd"]) == ("gpt-5.5", 0.125)
        assert settings.models["openai/gpt-5-mini"].rates == {}
        router = settings.routers["rtr_support"]
        assert router.name == "Support replies"
        assert [(each.model_id, each.max_share) for each in router.models] == [
            ("openai/gpt-5.5", 1.0),
            ("openai/gpt-5-mini", 0.5),
        ]
        options = RouterOptions.from_json(router.options)
        assert options.objective == Objective(0.02, 0.001, 0.005)
        assert (options.retention_days, options.max_attempts, options.instructions) == (None, 2, False)

    def test_a_router_keeps_only_what_the_file_mentions(self, write: Write) -> None:
        path = write(OLLAMA + '[routers.rtr_a]\nmodels = ["ollama/x"]\nmax_attempts = 3\n')
        router = load(path, {}).routers["rtr_a"]
        assert router.options == {"max_attempts": 3}
        assert router.name is None

    def test_a_well_known_provider_needs_only_what_differs(self, write: Write) -> None:
        path = write("[providers.anthropic]\ntimeout_seconds = 5\n")
        provider = load(path, {"ANTHROPIC_API_KEY": "k"}).providers["anthropic"]
        assert (provider.kind, provider.base_url, provider.api_keys, provider.timeout_seconds) == (
            "anthropic",
            "https://api.anthropic.com/v1",
            ("k",),
            5.0,
        )

    def test_several_keys_rotate(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "key.txt").write_text("second\n")
        path = write('[providers.openai]\napi_key = ["env:ONE", "file:key.txt"]\n')
        assert load(path, {"ONE": "first"}).providers["openai"].api_keys == ("first", "second")

    def test_a_deployment_may_have_another_name_than_the_model(self, write: Write) -> None:
        text = (
            '[providers.azure]\nbase_url = "https://me.openai.azure.com/openai"\napi_key = "env:K"\n'
            'api_version = "2024-10-21"\n[models."azure/gpt-5.5"]\nupstream_name = "my-deployment"\n'
        )
        settings = load(write(text), {"K": "k"})
        assert settings.models["azure/gpt-5.5"].upstream_name == "my-deployment"
        assert settings.providers["azure"].api_version == "2024-10-21"

    def test_a_provider_without_a_model_is_pointed_out(self, write: Write) -> None:
        assert any("provider ollama has no model" in notice for notice in load(write(OLLAMA), {}).notices)

    def test_keys_sent_in_the_open_are_pointed_out(self, write: Write) -> None:
        path = write('[providers.far]\nbase_url = "http://far.example/v1"\napi_key = "env:K"\n')
        assert any("unencrypted" in notice for notice in load(path, {"K": "k"}).notices)

    @pytest.mark.parametrize(
        ("proxy", "usable"),
        [
            ("http://proxy.example.com:3128", True),
            ("proxy.example.com:3128", True),
            ("http://me:hunter2@proxy.example.com:3128", True),
            ("http://me:hunter2@proxy.example.com:port", False),
            ("socks5://me:hunter2@proxy.example.com:1080", False),
            ("http://[::1", False),
            ("", True),
        ],
    )
    def test_a_proxy_that_can_not_be_used_is_pointed_out_without_its_password(
        self, proxy: str, usable: bool, write: Write
    ) -> None:
        for name in ("HTTPS_PROXY", "http_proxy", "ALL_PROXY"):
            notices = [notice for notice in load(write(""), {name: proxy}).notices if "_PROXY must be" in notice]
            assert len(notices) == (0 if usable else 1)
            assert "hunter2" not in str(notices)

    def test_the_environments_database_wins(self, write: Write) -> None:
        environ = {"BANDIT_GATEWAY_DATABASE_URL": "postgresql://h/d", "BANDIT_GATEWAY_ADMIN_KEY": "x" * 20}
        settings = load(write('database_url = "sqlite:///a.db"'), environ)
        assert settings.database_url == "postgresql://h/d"
        assert settings.admin_key == "x" * 20

    def test_the_command_line_wins_over_both(self, write: Write) -> None:
        settings = load(write('listen = "127.0.0.1:1"'), {})
        changed = override(settings, host="::1", port=5, database_url="sqlite:///b.db", durability="async")
        assert changed.listening.addresses == (TcpAddress("::1", 5),)
        assert (changed.database_url, changed.durability) == ("sqlite:///b.db", "async")

    def test_what_the_command_line_says_is_checked_too(self) -> None:
        with pytest.raises(SettingsError) as caught:
            override(Settings(), port=70_000, database_url="mysql://root:secret@h/d", durability="maybe")
        assert [problem.split()[0] for problem in caught.value.problems] == ["--database-url", "--durability", "--port"]
        assert "secret" not in str(caught.value)


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("listen = ", 1, "not valid TOML"),
            ('a = 1\nlisten = "x', 2, "not valid TOML"),
            ("database_ur = 1", 1, 'database_ur is not a known key; did you mean "database_url"?'),
            (
                "xyz = 1",
                1,
                "xyz is not a known key; there are alerts_webhook_url, cors_origins, ",
            ),
            (
                '\n\ndurability = "comit"',
                3,
                'durability must be "commit" or "async", not "comit"; did you mean "commit"?',
            ),
            ("durability = 3", 1, "not 3"),
            ('listen = "8790"', 1, 'listen must be "HOST:PORT"'),
            ('listen = "a:99999"', 1, 'listen must be "HOST:PORT"'),
            ("max_request_bytes = true", 1, "must be a whole number, not true"),
            ("max_request_bytes = 1", 1, "must be between 1,024 and 1,073,741,824, not 1"),
            ("providers = 3", 1, "providers must be a table, not 3"),
            ("[providers]\nopenai = 3", 2, "providers.openai must be a table"),
            ("[providers.Open_AI]", 1, "is not a provider's name"),
            ("[providers.simulated]", 1, "is built in"),
            ("[providers.mine]", 1, "providers.mine needs base_url"),
            ('[providers.mine]\nbase_url = "api.example.com"', 2, "must be a URL like https://"),
            ('[providers.mine]\nbase_url = "https://[::1/v1"', 2, "must be a URL like https://"),
            ('[providers.mine]\nbase_url = "https://a:99999/v1"', 2, "Port out of range"),
            ('[providers.mine]\nbase_url = "https://a..b/v1"', 2, "no host can have this name"),
            ('[providers.mine]\nbase_url = "https://a b/v1"', 2, "without spaces or control characters"),
            ('[providers.mine]\nbase_url = "https://a\\u0001b/v1"', 2, "without spaces or control characters"),
            ('[providers.mine]\nbase_url = "https://ä.example/v1"', 2, "in their xn-- form"),
            ('[providers.mine]\nbase_url = "https://a/v1?key=1"', 2, "without user, query or fragment"),
            ('[providers.openai]\nkind = "opnai"', 2, 'did you mean "openai"?'),
            ('[providers.openai]\napi_key = "env:NOT_SET"', 2, "needs the environment variable NOT_SET"),
            (
                '[providers.openai]\napi_key = "file:/nowhere/key"',
                2,
                "needs the file /nowhere/key, which can't be read",
            ),
            ("[providers.openai]\napi_key = []", 2, "is an empty list"),
            ("[providers.openai]\ntimeout_seconds = nan", 2, "must be a finite number, not nan"),
            ("[providers.openai]\ntimeout_seconds = inf", 2, "must be a finite number, not inf"),
            ("[providers.openai]\ntimeout_seconds = 0", 2, "must be more than 0 and at most 3,600, not 0"),
            ('[providers.openai]\ntimeout_seconds = "60"', 2, 'must be a finite number, not "60"'),
            ("[providers.openai]\ntimeout = 60", 2, 'did you mean "timeout_seconds"?'),
            ('[providers.openai]\ndrop = "metadata"', 2, "must be a list of strings"),
            ('[models."gpt-5.5"]', 1, 'is no model id: write "PROVIDER/NAME"'),
            ('[models."openai/gpt-5.5"]', 1, "set OPENAI_API_KEY, or declare [providers.openai]"),
            ('[models."simulated/swift"]\nabilities = ["fly"]', 2, '"fly" is no ability'),
            ('[models."simulated/swift"]\nabilities = ["tools", "tools"]', 2, "twice"),
            ('[models."simulated/swift"]\ninput_usd_per_million = -1', 2, "must be between 0 and 100,000, not -1"),
            ('[models."simulated/swift"]\nstream = "no"', 2, "must be true or false"),
            ('[routers.default]\nmodels = ["simulated/swift"]', 1, "is not a router's id"),
            ("[routers.rtr_a]", 1, "must name at least one model"),
            ("[routers.rtr_a]\nmodels = []", 2, "must name at least one model"),
            ('[routers.rtr_a]\nmodels = "simulated/swift"', 2, "must be a list of models"),
            ("[routers.rtr_a]\nmodels = [3]", 2, "must be a model id"),
            ('[routers.rtr_a]\nmodels = ["simulated/swift", "simulated/swift"]', 2, "a second time"),
        ],
    )
    def test_each_names_its_line_and_the_remedy(self, write: Write, text: str, line: int, words: str) -> None:
        path = write(text)
        problem = the_problem(path)
        assert problem.startswith(f"{path}, line {line}")
        assert words in problem

    @pytest.mark.parametrize(
        ("option", "words"),
        [
            ('policy = "thomson"', 'did you mean "thompson"?'),
            ('policy = "fixed:simulated/other"', "fixes a model that the router does not have"),
            ('objective = "balance"', 'did you mean "balanced"?'),
            ("objective = 3", "objective must be"),
            ("objective = { quality_usd = 1, second_usd = 1 }", "needs failure_usd, in dollars"),
            (
                "objective = { quality_usd = nan, second_usd = 1, failure_usd = 1 }",
                "objective.quality_usd must be a finite",
            ),
            ("objective = { quality_usd = 1e9, second_usd = 1, failure_usd = 1 }", "between 0 and 10,000"),
            (
                "objective = { quality_usd = 1, second_usd = 1, failure_usd = 1, x = 1 }",
                "objective.x is not a known key",
            ),
            ("exploration = 1.5", "between 0 and 1"),
            ("max_attempts = 0", "between 1 and 10"),
            ("max_attempts = 2.5", "must be a whole number, not 2.5"),
            ("retention_days = 0", "between 1 and 36,500"),
            ('retention_days = "ever"', "must be a whole number"),
            ("feedback_scale = [1]", "must be the worst and the best score"),
            ("feedback_scale = [1, 1]", "such as [1, 5], not [1, 1]"),
            ("feedback_scale = [nan, true]", "must be the worst and the best score"),
            ('task_metadata_key = ""', "a name of 1 to 64 characters"),
            ("budget_usd_per_request = 0", "more than 0"),
            ("quality_floor = 2", "more than 0 and at most 1"),
            ("judge = 3", "judge must be a table"),
            ("judge = {}", 'judge needs model, such as model = "openai/gpt-5.5"'),
            ('judge = { model = "simulated/sage", share = -1 }', "judge.share must be between 0 and 1, not -1"),
            ('judge = { model = "simulated/sage", share = nan }', "judge.share must be a finite number"),
            ('judge = { model = "simulated/sage", when = "before" }', 'judge.when must be "after"'),
            ('judge = { model = "simulated/sage", rubric = " " }', "judge.rubric must be a text of up to 4,000"),
            ('judge = { model = "simulated/sage", max_usd_per_day = 0 }', "judge.max_usd_per_day must be more than 0"),
            ('judge = { model = "simulated/sage", tokens = 1 }', "judge.tokens is not a known key"),
            ("judge = { model = [] }", "judge.model must name 1 to 8 models"),
            ('judge = { model = "absent/sage" }', 'judge.model "absent/sage": there is no provider "absent"'),
            ("shadow = 3\n" + JUDGED, "shadow must be a table"),
            ("shadow = { share = 0.1 }", "shadow needs a judge, which compares the answers: set judge"),
            ("shadow = { share = 1.5 }\n" + JUDGED, "shadow.share must be between 0 and 1, not 1.5"),
            ("shadow = { share = nan }\n" + JUDGED, "shadow.share must be a finite number"),
            ("shadow = { share = -0.1 }\n" + JUDGED, "shadow.share must be between 0 and 1, not -0.1"),
            ("shadow = { max_usd_per_day = 0 }\n" + JUDGED, "shadow.max_usd_per_day must be more than 0"),
            ('shadow = { tools = "yes" }\n' + JUDGED, 'shadow.tools must be true or false, not "yes"'),
            ("shadow = { model = 'a/b' }\n" + JUDGED, "shadow.model is not a known key"),
            ("half_lives = { quality = 1 }", 'did you mean "quality_seconds"?'),
            ("half_lives = { quality_seconds = 0 }", "half_lives.quality_seconds must be between 1 and"),
        ],
    )
    def test_every_router_option_is_checked(self, write: Write, option: str, words: str) -> None:
        path = write(f'[routers.rtr_a]\nmodels = ["simulated/swift"]\n{option}\n')
        problem = the_problem(path)
        assert problem.startswith(f"{path}, line 3: routers.rtr_a.")
        assert words in problem

    @pytest.mark.parametrize(
        ("models", "words"),
        [
            ('[{ id = "simulated/swift", min_share = 0.9, max_share = 0.1 }, "simulated/sage"]', "more than max_share"),
            (
                '[{ id = "simulated/swift", min_share = 0.6 }, { id = "simulated/sage", min_share = 0.6 }]',
                "more than 1",
            ),
            (
                '[{ id = "simulated/swift", max_share = 0.4 }, { id = "simulated/sage", max_share = 0.5 }]',
                "less than 1",
            ),
            ('[{ id = "simulated/swift", enabled = false }]', "all disabled"),
            ('[{ id = "simulated/swift", share = 1 }]', "is not a known key"),
        ],
    )
    def test_shares_that_cannot_hold_are_refused(self, write: Write, models: str, words: str) -> None:
        assert words in the_problem(write(f"[routers.rtr_a]\nmodels = {models}\n"))

    def test_all_are_told_at_once_in_the_order_of_the_file(self, write: Write) -> None:
        path = write('listen = 1\n[providers.openai]\nkind = "x"\n[routers.rtr_a]\n')
        assert [problem.split(":")[0].rpartition(" ")[2] for problem in problems_of(path)] == ["1", "3", "4"]

    def test_a_named_file_that_is_missing_is_an_error(self, tmp_path: Path) -> None:
        assert "there is no such file" in the_problem(tmp_path / "none.toml")

    def test_a_directory_or_another_encoding_is_an_error(self, tmp_path: Path) -> None:
        assert "can't be read" in the_problem(tmp_path)
        (tmp_path / "a.toml").write_bytes('name = "é"'.encode("latin-1"))
        assert "is not UTF-8 text (byte 8)" in the_problem(tmp_path / "a.toml")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
    def test_a_file_that_may_not_be_read_is_an_error(self, write: Write) -> None:
        path = write("")
        path.chmod(0)
        assert "Permission denied" in the_problem(path)

    def test_a_weak_admin_key_or_a_broken_url_in_the_environment_is_refused_unseen(self, write: Write) -> None:
        environ = {"BANDIT_GATEWAY_ADMIN_KEY": "hunter2", "BANDIT_GATEWAY_DATABASE_URL": "mysql://u:secret@h/d"}
        problems = problems_of(write(""), environ)
        assert len(problems) == 2
        assert not any("hunter2" in problem or "secret" in problem for problem in problems)

    @given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='\\"'), min_size=12))
    def test_a_key_in_plain_text_is_refused_and_never_repeated(self, key: str) -> None:
        values: dict[str, object] = {"providers": {"openai": {"api_key": "sk-" + key}}}
        with pytest.raises(SettingsError) as caught:
            _load_values(values)
        assert key not in str(caught.value)
        assert 'api_key = "env:OPENAI_API_KEY"' in str(caught.value)


def _load_values(values: dict[str, object]) -> Settings:
    from gateway.settings.lines import Lines  # noqa: PLC0415
    from gateway.settings.loading import _read  # noqa: PLC0415

    return _read(values, {}, Path(), None, Lines(""), secrets=True)


KNOWN_KEYS = ["listen", "providers", "openai", "models", "api_key", "routers", "rtr_a", "objective", "policy", "kind"]
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KNOWN_KEYS) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KNOWN_KEYS), ANY_VALUE, max_size=4))
def test_no_values_whatever_break_the_reader(values: dict[str, object]) -> None:
    """Whatever a file holds, it is read or refused with a settings error."""
    with contextlib.suppress(SettingsError):
        _load_values(values)
