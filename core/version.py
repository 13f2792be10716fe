"""The version we speak of in User-Agent and API schema."""

VERSION = "0.1.0"
