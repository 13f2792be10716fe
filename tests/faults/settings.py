"""The product's settings for a fault run: three days of retries in minutes, keys without hurry."""

from datetime import timedelta

from config.settings import *  # noqa: F403

# A receiver that fails for half a minute is to be told before the run ends, so there are as many
# attempts as on the product's own schedule has days.
WEBHOOK_RETRY_SCHEDULE = [timedelta(), *[timedelta(seconds=5)] * 4, *[timedelta(seconds=10)] * 60]
LIVE_KEY_REQUESTS_PER_MINUTE = TEST_KEY_REQUESTS_PER_MINUTE = 1_000_000
