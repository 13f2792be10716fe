"""Numbers that only grow."""

from django.db import models


class Tally(models.Model):
    """What happened since the first start, in one number that only grows; see operations.tallies.

    Rollups will not do for that: they shrink when an account goes, or when they are counted afresh,
    and there are the more of them the longer an install runs.
    """

    name = models.CharField(max_length=20)
    labels = models.TextField(help_text="Their values, as a JSON array.")
    bucket = models.PositiveSmallIntegerField()
    count = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0.0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "labels", "bucket"], name="tally"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.labels} {self.count}"
