"""The name of a model without what clouds put around it: path, region, vendor, version, date."""

import re

_PATHS = re.compile(
    r"^ft:(?=[^:]+)"  # fine-tuned: what it was tuned from
    r"|^arn:aws[a-z-]*:bedrock:[^/]*/"
    r"|^(?:bedrock|vertex_ai|azure)/(?:converse/|invoke/)?"  # as LiteLLM writes them
    r"|^(?:.*/)?(?:models|inference-profile|foundation-model|deployments)/"
)
_REGION = re.compile(r"^(?:us-gov|us|eu|apac|ap|au|jp|ca|sa|me|global)\.(?=[a-z0-9]+\.)")
_VENDOR = re.compile(r"^[a-z][a-z0-9]*\.(?=[a-z])")  # Bedrock's: anthropic.claude-…
_LABEL = re.compile(r":(?:free|nitro|online|floor|exacto|thinking|beta|extended)$")  # OpenRouter's
_TUNED = re.compile(r":[^:]*:[^:]*:.*$")  # what a fine-tuned model is called behind its base
_BUILD = re.compile(r"(?:-v?\d+)?:\d+(?::\d+k)?$|-maas$")  # Bedrock's -v1:0, Vertex's -maas
_DATE = re.compile(r"[-@]20\d\d-?\d\d-?\d\d$|@(?:default|latest)$")


def without_path(name: str) -> str:
    """The name as the provider's own list of models has it, in lower case: no resource path, no ARN."""
    name = name.lower()
    while (shorter := _PATHS.sub("", name)) != name:
        name = shorter
    return name


def canonical(name: str) -> str:
    """What all spellings of a model's name have in common; good for a comparison, never sent anywhere.

    >>> canonical("us.anthropic.claude-sonnet-4-5-20250929-v1:0") == canonical("anthropic/claude-sonnet-4.5:free")
    True
    """
    name = _LABEL.sub("", without_path(name)).rpartition("/")[2]
    name = _VENDOR.sub("", _REGION.sub("", name))
    name = _DATE.sub("", _BUILD.sub("", _TUNED.sub("", name)))
    if name.startswith("claude"):
        name = re.sub(r"-v\d+$", "", name)
    return re.sub(r"^gpt-35", "gpt-3-5", name.replace(".", "-"))
