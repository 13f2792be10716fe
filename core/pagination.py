"""Lists: `{"results": [...], "next": <url or null>}`, newest first, by cursor."""

from datetime import datetime
from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response


class NewestFirst(CursorPagination):
    ordering = ("-created_at", "-id")
    page_size = 50
    max_page_size = 100
    page_size_query_param = "limit"

    def get_page_size(self, request: Request) -> int:
        """What `limit` asks for; more than the most that there are on a page is the most."""
        given = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (given.isascii() and given.isdigit() and given.strip("0")):
            raise ValidationError({"limit": "must be a whole number from 1 on"})
        # By its length first: Python refuses to read a number of thousands of digits.
        return self.max_page_size if len(given) > 4 else min(int(given), self.max_page_size)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "default": self.page_size}
        return [
            {
                "name": self.cursor_query_param,
                "in": "query",
                "description": "From the `next` of the page before.",
                "schema": {"type": "string"},
            },
            {
                "name": self.page_size_query_param,
                "in": "query",
                "description": f"How many a page has; {self.max_page_size} at most.",
                "schema": limit,
            },
        ]

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor = super().decode_cursor(request)
            if cursor and cursor.position is not None:
                self.check_position(str(cursor.position))
        except (NotFound, ValueError):
            raise ValidationError({"cursor": "is not one that we gave out"}) from None
        return cursor

    def check_position(self, position: str) -> None:
        """Raise ValueError for what cannot be compared with the first column of `ordering`."""
        datetime.fromisoformat(position)

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self.get_next_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {
                "results": schema,
                "next": {"type": ["string", "null"], "format": "uri"},
            },
        }
