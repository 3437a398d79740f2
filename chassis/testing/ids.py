"""Texts that are ids and texts that are none, for the tests of each door."""

#: Ids that a path, a client or a proxy may stumble over; all of them are different items.
ODD_IDS = (
    *("x", "x/", "/x", "x//", "/", "//", "a/b", "a//b", "../x", "x/..", "./x", "...", " x ", ". ."),
    *("%2F", "%", "%%", "%zz", "%252F", "?", "x?y=1", "#", "x#y", ";", "x;y", "&", "=", "+", "x y"),
    *("\\", "|", "^", "`", "{id}", "<b>", '"', "'", "[", "*", "~", ":", "@", "$", "!", "(", ","),
    *("ü", "u\u0308", "日本", "😀", "\u200b", "x\u2028y", "\u202ex", "\ufeffx", "\uffff"),
    *("https://example.org/a?b=c#d", "bulk", "null", "007", "1e5", "18446744073709551617"),
    *("x" * 256, "😀" * 256, "/" * 256),
)

#: Texts that are no ids, at no door.
NO_IDS = (
    *("", " ", "\u3000", "\u00a0\u2003", ".", "..", "x" * 257, "😀" * 257),
    *("\x01", "a\tb", "a\nb", "x\x1f", "\x7f", "\x80", "x\x85", "\x9f"),
)
