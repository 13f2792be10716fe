"""Plays Twilio's part for a server on this machine, as docs/twilio.md tells."""

# ruff: noqa: T201

import threading
import time

from tests.calls.twilio.standin import SID, TOKEN, Row, StandIn, standing_in

PORT = 9200
STORIES = {
    "0101": ("ringing", "busy"),
    "0102": ("ringing", "no-answer"),
    "0103": ("ringing", "in-progress", "machine_start", "completed"),
}
ANSWERED = ("ringing", "in-progress", "human", "completed")


def play(twilio: StandIn, call: Row) -> None:
    for step in STORIES.get(call["To"][-4:], ANSWERED):
        time.sleep(1)
        print(call["To"], step, flush=True)
        if step in ("human", "machine_start"):
            twilio.tell_of_machine(call, step, after=1000)
        elif step == "completed":
            twilio.tell(call, step, CallDuration="2")
        else:
            twilio.tell(call, step)


def main() -> None:
    with standing_in(port=PORT) as twilio:
        twilio.on_taken = lambda call: threading.Thread(target=play, args=(twilio, call)).start()
        print("Start the server with")
        print(f"TWILIO_ACCOUNT_SID={SID} TWILIO_AUTH_TOKEN={TOKEN} \\")
        print(f"TWILIO_API_BASE_URL={twilio.url} make run", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
