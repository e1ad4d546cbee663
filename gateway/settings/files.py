"""Read configuration files."""

import re
import tomllib
from pathlib import Path

from gateway.settings.values import SettingsError


def read_text(path: Path) -> str:
    """Read a configuration file; SettingsError says what is wrong and what to do."""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: there is no such file; name another with --config or BANDIT_GATEWAY_CONFIG"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def syntax_problem(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    """Tell what is wrong in the text with the file, line and column first."""
    match = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
    what = str(error)[: match.start()] if match else str(error)
    line = int(match[1]) if match and match[1] else text.count("\n") + 1
    column = f", column {match[2]}" if match and match[2] else ""
    return f"{path}, line {line}{column}: is not valid TOML: {what[:1].lower()}{what[1:]}"
