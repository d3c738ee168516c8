"""Names that try to be a path, a shell word, HTML, a formula, or a trick on the eye."""

from __future__ import annotations

NAMES = {
    "parent": "../../x",
    "absolute": "/etc/passwd",
    "command": "; rm -rf ~",
    "substitution": "$(touch pwned)",
    "backticks": "`touch pwned`",
    "option": "--help",
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)',
    "hyperlink": '=HYPERLINK("http://x.invalid")',
    "dde": "+cmd|' /C calc'!A0",
    "at": "@SUM(1+1)",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "template": "{{ 7 * 7 }}",
    "long": "a" * 10_000,
    "nul": "a\0b",
    "right_to_left": "abc\u202egpj.exe",
    "newline": "a\nb",
    "escape": "a\x1b[2Jb",
}
SPREADSHEET = {key: NAMES[key] for key in ("hyperlink", "dde", "at", "minus")}
