"""Texts that run or break a page unless they are shown as plain text. Each calls `pwned`, which only a test defines."""

from __future__ import annotations

POLYGLOTS = (
    "<script>pwned(1)</script>",
    "<img src=x onerror=pwned(2)>",
    '"><svg/onload=pwned(3)>',
    "'-pwned(4)-'",
    "javascript:pwned(5)",
    "jaVasCript:/*-/*`/*'/*\"/**/(/* */oNcliCk=pwned(6) )//</stYle/</titLe/</teXtarEa/</scRipt/--!><sVg/oNloAd=pwned(6)//>",
    "</title></textarea></style></template><iframe srcdoc='<script>parent.pwned(7)</script>'>",
    "<details open ontoggle=pwned(8)><summary>x</summary></details>",
    "<style>@import 'http://127.0.0.1:9/pwned';*{background:url(http://127.0.0.1:9/x)}</style>",
    "<form action=http://127.0.0.1:9/><input autofocus onfocus=pwned(10)>",
    "${pwned(11)}`{{constructor.constructor('pwned(11)')()}}",
    "<a href='javascript:pwned(12)' id=gesso name=api>x</a><base href=http://127.0.0.1:9/>",
    '<math><mtext></form><form><mglyph><svg><mtext><textarea><path id="</textarea><img onerror=pwned(13) src=1>">',
    "<object data='data:text/html,<script>pwned(14)</script>'></object><meta http-equiv=refresh content='0;url=javascript:pwned(14)'>",
)
