"""Times in words."""


def short(seconds: float) -> str:
    """A time in few characters: 20 s, 1 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min" + (f" {seconds % 60} s" if seconds % 60 else "")
    return f"{seconds // 3600} h" + (f" {seconds % 3600 // 60} min" if seconds % 3600 // 60 else "")


def in_words(minutes: float) -> str:
    """A time that somebody has chosen: 30 seconds, 1 minute, 2.5 minutes, 8 hours."""
    if minutes < 1:
        seconds = float(f"{60 * minutes:.3g}")
        return f"{seconds:g} second{'s' if seconds != 1 else ''}"
    if minutes >= 120 and minutes % 60 == 0:
        return f"{minutes / 60:,.0f} hours"
    return f"{minutes:g} minute{'s' if minutes != 1 else ''}"
