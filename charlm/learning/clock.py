"""The clock of a training that was given minutes: how many tokens there is time for."""

TOLERANCE = 0.02  # the end may be missed by this fraction of the time before the plan is changed
LOOKED_AT = 0.03, 0.15  # fractions of the time: the shortest stretch that the speed is measured on, and the longest


class Clock:
    """Measures how fast tokens are trained, and tells how many there is time for.

    minutes: in all. seconds, tokens: spent and trained so far, evaluations included.
    """

    def __init__(self, minutes: float, seconds: float, tokens: int):
        self.time = 60 * minutes
        self._since = seconds, tokens

    def is_over(self, seconds: float, reserve: float) -> bool:
        """Whether the time is up. reserve: the seconds that the last evaluation will take."""
        return seconds + reserve >= self.time

    def new_total(self, seconds: float, tokens: int, total: int, reserve: float) -> int | None:
        """How many tokens to train in all, if at the recent speed ``total`` tokens would not end in time; else None."""
        since, before = self._since
        stretch = seconds - since
        if stretch < LOOKED_AT[0] * self.time or tokens <= before:
            return None
        speed = (tokens - before) / stretch
        end = seconds + (total - tokens) / speed + reserve
        changed = abs(end - self.time) > TOLERANCE * self.time
        if changed or stretch > LOOKED_AT[1] * self.time:
            self._since = seconds, tokens
        return tokens + max(1, round((self.time - seconds - reserve) * speed)) if changed else None
