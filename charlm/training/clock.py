"""The clock of a training that was given minutes: how many tokens there is time for."""

TOLERANCE = 0.02  # share of the time by which the end may be missed before the plan is changed
LOOKED_AT = 0.03, 0.15  # shares of the time: the shortest stretch that tells the pace, and the longest


class Pace:
    """Watches how fast tokens are trained, from a first look on, and says how many there will be.

    minutes: in all; seconds and tokens are those spent and trained so far, evaluations and all.
    """

    def __init__(self, minutes: float, seconds: float, tokens: int):
        self.time = 60 * minutes
        self._from = seconds, tokens

    def is_over(self, seconds: float, reserve: float) -> bool:
        """Whether the time is up, but for the ``reserve`` in seconds that ending takes."""
        return seconds + reserve >= self.time

    def new_total(self, seconds: float, tokens: int, total: int, reserve: float) -> int | None:
        """How many tokens there will be in all, where ``total`` would not end in time by the pace of late; else
        None."""
        since, before = self._from
        stretch = seconds - since
        if stretch < LOOKED_AT[0] * self.time or tokens <= before:
            return None
        speed = (tokens - before) / stretch
        end = seconds + (total - tokens) / speed + reserve
        changed = abs(end - self.time) > TOLERANCE * self.time
        if changed or stretch > LOOKED_AT[1] * self.time:
            self._from = seconds, tokens
        return tokens + max(1, round((self.time - seconds - reserve) * speed)) if changed else None
