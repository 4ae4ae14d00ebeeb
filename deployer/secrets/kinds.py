"""Secrets that are known by their form: a table, one row a kind, each with where its form is written down.

Most of the forms are those of gitleaks (github.com/gitleaks/gitleaks, config/gitleaks.toml, MIT), which follows
what the issuers publish for secret scanning; each row names the issuer's own page where there is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

MASK = "[redacted]"


@dataclass(frozen=True)
class Kind:
    """One kind of secret. The group `secret` is masked, or the whole match where the pattern has none.

    `marks`: a text that holds none of these holds no such secret, which is quicker to see than by the pattern.
    """

    name: str
    source: str
    marks: tuple[str, ...]
    pattern: str
    flags: int = 0

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, self.flags)

    def mask(self, text: str) -> str:
        """The text without secrets of this kind."""
        if not any(mark in text for mark in self.marks):
            return text
        return self._compiled.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex:
        return MASK
    start, end = match.span("secret")
    return match.string[match.start() : start] + MASK + match.string[end : match.end()]


_GITLEAKS = "gitleaks.toml"
_B64 = r"[A-Za-z0-9+/]"

KINDS: tuple[Kind, ...] = (
    # -- keys in armour ------------------------------------------------------------------------------------------
    Kind(
        "private key in PEM",
        "RFC 7468; OpenSSH PROTOCOL.key",
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        re.DOTALL,
    ),
    Kind(
        "end of a private key whose beginning was cut off",
        "RFC 7468",
        ("PRIVATE KEY",),
        rf"(?:{_B64}{{16,}}=*(?:\s|\\[rn])+)*{_B64}*=*(?:\s|\\[rn])*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
    ),
    Kind(
        "PuTTY key", "PuTTY manual, appendix C", ("Private-Lines:",), r"Private-Lines: \d+\n(?P<secret>(?:\S+\n?)+)"
    ),
    Kind("age key", "age-encryption.org/v1", ("AGE-SECRET-KEY-",), r"AGE-SECRET-KEY-1[A-Z0-9]{20,}"),
    # -- AWS -----------------------------------------------------------------------------------------------------
    Kind(
        "AWS access key id",
        "IAM User Guide, Unique identifiers",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    ),
    Kind(
        "AWS session token",
        "form of STS's answers",
        ("IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz", "FQoDYXdz"),
        rf"\b(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz|FQoDYXdz)(?:{_B64}|%2[BbFf]|%3[Dd]|=){{20,}}",
    ),
    Kind(
        "signature of a presigned URL",
        "S3 API, Authenticating requests: query parameters; GCS and Azure alike",
        ("Signature=", "Security-Token=", "Credential=", "sig="),
        r"(?:X-(?:Amz|Goog)-(?:Signature|Security-Token|Credential)|[?&](?:Signature|sig))=(?P<secret>[^\s&\"'<>\\]+)",
    ),
    # -- code hosts and registries -------------------------------------------------------------------------------
    Kind(
        "GitHub token",
        "docs.github.com, About authentication to GitHub: token formats",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
    ),
    Kind("GitHub fine-grained token", "as above", ("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    Kind(
        "GitLab token",
        "docs.gitlab.com, Token overview: prefixes",
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glsoat-", "glft-", "glagent-"),
        r"\bgl(?:pat|dt|rt|cbt|ptt|soat|ft|agent)-[A-Za-z0-9_.-]{16,}",
    ),
    Kind("Atlassian token", _GITLEAKS, ("ATATT3", "ATBB"), r"\b(?:ATATT3[A-Za-z0-9_=-]{20,}|ATBB[A-Za-z0-9]{20,})"),
    Kind("npm token", "docs.npmjs.com, About access tokens", ("npm_",), r"\bnpm_[A-Za-z0-9]{30,}"),
    Kind("PyPI token", "pypi.org/help/#apitoken", ("pypi-",), r"\bpypi-AgE[A-Za-z0-9_-]{20,}"),
    Kind("RubyGems key", _GITLEAKS, ("rubygems_",), r"\brubygems_[a-f0-9]{40,}"),
    Kind(
        "Docker Hub token", "docs.docker.com, Access tokens", ("dckr_",), r"\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"
    ),
    Kind(
        "Docker's config.json and .npmrc",
        "docs.docker.com, docker login; docs.npmjs.com, .npmrc",
        ("auth",),
        rf"(?<![A-Za-z0-9])_?auth\\*[\"']?\s*[:=]\s*\\*[\"']?(?P<secret>{_B64}{{12,}}={{0,2}})",
    ),
    # -- messages ------------------------------------------------------------------------------------------------
    Kind(
        "Slack token",
        "api.slack.com/authentication/token-types",
        ("xox", "xapp-"),
        r"\bx(?:ox[a-z]|app)-[A-Za-z0-9.-]{10,}",
    ),
    Kind(
        "webhook of Slack",
        "api.slack.com/messaging/webhooks",
        ("hooks.slack",),
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[^\s\"'<>\\]+)",
    ),
    Kind(
        "webhook of Discord",
        "discord.com/developers, Webhook",
        ("/webhooks/",),
        r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/(?P<secret>[^\s\"'<>\\]+)",
    ),
    Kind(
        "webhook of Teams",
        _GITLEAKS,
        ("webhook.office.com",),
        r"webhook\.office\.com/webhookb2/(?P<secret>[^\s\"'<>\\]+)",
    ),
    Kind("Telegram bot", "core.telegram.org/bots/api", (":AA",), r"\b\d{8,10}:AA[A-Za-z0-9_-]{32,}"),
    Kind("Twilio key", "twilio.com/docs/glossary/what-is-a-sid", ("SK",), r"\bSK[0-9a-f]{32}\b"),
    Kind("SendGrid key", _GITLEAKS, ("SG.",), r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    Kind("Mailgun key", _GITLEAKS, ("key-",), r"\bkey-[0-9a-f]{32}\b"),
    # -- money and shops -----------------------------------------------------------------------------------------
    Kind(
        "Stripe key",
        "docs.stripe.com/keys",
        ("_live_", "_test_", "whsec_"),
        r"\b(?:(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,})",
    ),
    Kind(
        "Square token", _GITLEAKS, ("sq0", "EAAA"), r"\b(?:sq0[a-z]{3}-[A-Za-z0-9_-]{20,}|EAAA[A-Za-z0-9_-]{50,})"
    ),
    Kind("Shopify token", "shopify.dev, Authentication", ("shp",), r"\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    # -- clouds and tools ----------------------------------------------------------------------------------------
    Kind("Google API key", "cloud.google.com/docs/authentication/api-keys", ("AIza",), r"\bAIza[A-Za-z0-9_-]{35}"),
    Kind(
        "Google OAuth", _GITLEAKS, ("GOCSPX-", "ya29."), r"\b(?:GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{20,})"
    ),
    Kind("DigitalOcean token", "docs.digitalocean.com, API", ("_v1_",), r"\bdo[opr]_v1_[a-f0-9]{64}"),
    Kind("Heroku key", "devcenter.heroku.com, OAuth", ("HRKU-",), r"\bHRKU-[A-Za-z0-9_-]{20,}"),
    Kind(
        "Fly.io token",
        _GITLEAKS,
        ("fo1_", "fm1", "fm2_"),
        r"\b(?:fo1_[\w-]{40,}|fm[12][ar]?_[A-Za-z0-9+/]{40,}={0,3})",
    ),
    Kind("Databricks token", _GITLEAKS, ("dapi",), r"\bdapi[0-9a-f]{32}(?:-\d)?\b"),
    Kind(
        "HashiCorp Vault token",
        "developer.hashicorp.com/vault, Tokens",
        ("hvs.", "hvb.", "hvr."),
        r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}",
    ),
    Kind(
        "Terraform Cloud token",
        "developer.hashicorp.com/terraform, API tokens",
        (".atlasv1.",),
        r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{40,}",
    ),
    Kind(
        "Doppler token",
        "docs.doppler.com, Token formats",
        ("dp.",),
        r"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9_.-]{20,}",
    ),
    Kind("1Password token", _GITLEAKS, ("ops_eyJ",), r"\bops_eyJ[A-Za-z0-9+/=_-]{40,}"),
    Kind("PlanetScale", _GITLEAKS, ("pscale_",), r"\bpscale_(?:pw|tkn|oauth)_[A-Za-z0-9_.=-]{20,}"),
    # -- watching ------------------------------------------------------------------------------------------------
    Kind(
        "Sentry token", "docs.sentry.io, Auth tokens", ("sntrys_", "sntryu_"), r"\bsntry[su]_[A-Za-z0-9+/=_-]{20,}"
    ),
    Kind("Sentry DSN", "docs.sentry.io, DSN", ("://",), r"(?<=://)[0-9a-f]{32}(?=@)"),
    Kind(
        "Grafana token",
        _GITLEAKS,
        ("glsa_", "glc_"),
        r"\b(?:glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}|glc_[A-Za-z0-9+/]{32,}={0,3})",
    ),
    Kind(
        "New Relic key",
        "docs.newrelic.com, API keys",
        ("NRAK-", "NRJS-", "NRII-"),
        r"\bNR(?:AK|JS|II)-[A-Za-z0-9-]{19,}",
    ),
    Kind("Postman key", _GITLEAKS, ("PMAK-",), r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    Kind("Linear key", _GITLEAKS, ("lin_api_",), r"\blin_api_[A-Za-z0-9]{40}"),
    # -- models --------------------------------------------------------------------------------------------------
    Kind("OpenAI or Anthropic key", _GITLEAKS, ("sk-",), r"\bsk-(?:ant-|proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,}"),
    Kind("Hugging Face token", "huggingface.co/docs, User access tokens", ("hf_",), r"\bhf_[A-Za-z]{34}"),
    # -- notations that carry one, whatever it is ----------------------------------------------------------------
    Kind(
        "JSON Web Token", "RFC 7519", ("eyJ",), r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"
    ),
    Kind(
        "password in a URL",
        "RFC 3986, 3.2.1",
        ("://",),
        r"(?<=://)[^/\s:@\"'<>]*:[^/\s@\"'<>]+(?=@)",
    ),
    Kind(
        "bearer token of HTTP",
        "RFC 6750",
        ("earer ", "EARER "),
        r"(?i:\bbearer )\s*(?P<secret>[A-Za-z0-9._~+/-]{6,}=*)",
    ),
    Kind(
        "basic credentials of HTTP",
        "RFC 7617",
        ("asic ", "ASIC "),
        rf"(?i:\bbasic )\s*(?P<secret>(?=\S*[A-Z0-9=]){_B64}{{8,}}={{0,2}})",
    ),
    Kind(
        "authorization header",
        "RFC 9110, 11.6.2; SigV4",
        ("uthorization", "UTHORIZATION"),
        r"(?i:authorization)\\*[\"']?\s*[:=]\s*(?:b?\\*[\"'])?(?P<secret>[^\s\"'\\][^\"'\n\\]*)",
    ),
    Kind(
        "login of curl",
        "curl(1), --user",
        ("-u ", "--user ", "--user="),
        r"(?<!\S)(?:-u|--user)[ =][^\s:\"']+:(?P<secret>[^\s\"']+)",
    ),
    Kind("netrc", "netrc(5)", ("login",), r"\blogin\s+\S+\s+password\s+(?P<secret>[^\s\"']+)"),
    Kind(
        "password's hash",
        "crypt(5)",
        ("$",),
        r"\$(?:1|2[abxy]|5|6|7|y|gy|argon2(?:id?|d))\$[./A-Za-z0-9$=,+_-]{20,}",
    ),
)


def mask_kinds(text: str) -> str:
    """The text without secrets that are known by their form."""
    for kind in KINDS:
        text = kind.mask(text)
    return text
