"""The description of the JSON API, as OpenAPI 3.1. See `app` for the implementation."""

from __future__ import annotations

from typing import Any

from orchestration.search.options import MOST_MOMENTS, QUERY_LENGTH, SearchOptions


def document(options: SearchOptions) -> dict[str, Any]:
    """The OpenAPI document of the search page's API."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HowTo Lake: moments of videos",
            "version": "1",
            "description": "The moments of the lake's videos that a text describes, by its joint embedding and by HERO."
            f" A client may send {options.burst} requests at once and then {options.rate:g} per second.",
        },
        "paths": {
            "/api/search": {"get": _search(options)},
            "/media/{video_id}": {"get": _media()},
        },
        "components": {"schemas": {"Answer": _answer(), "Moment": _moment(), "Error": _error()}},
    }


def _search(options: SearchOptions) -> dict[str, Any]:
    return {
        "operationId": "search",
        "summary": "The best moments for a text",
        "parameters": [
            {
                "name": "q",
                "in": "query",
                "required": True,
                "description": "The step to find, in words.",
                "schema": {"type": "string", "minLength": 1, "maxLength": QUERY_LENGTH},
            },
            {
                "name": "limit",
                "in": "query",
                "description": "Highest number of moments per model.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MOST_MOMENTS, "default": options.moments},
            },
        ],
        "responses": {
            "200": _json("Moments, best first; none where no word of the text is known.", "Answer"),
            "400": _json("The text or the limit is not what is allowed.", "Error"),
            "429": _json("Too many requests; the header Retry-After has the seconds to wait.", "Error"),
            "503": _json("Nothing can be searched yet; the message says why.", "Error"),
        },
    }


def _media() -> dict[str, Any]:
    video = {"video/*": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "operationId": "media",
        "summary": "A video's file, whole or by ranges of bytes",
        "parameters": [{"name": "video_id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {
            "200": {"description": "The file.", "content": video},
            "206": {"description": "The bytes of the header Range.", "content": video},
            "404": _json("The lake has no file of that video.", "Error"),
        },
    }


def _json(description: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _answer() -> dict[str, Any]:
    strings, text = {"type": "array", "items": {"type": "string"}}, {"type": ["string", "null"]}
    model = _object(
        {
            "model": {"type": "string", "description": "What ranked them."},
            "scored_by": {**text, "description": "What its scores are; null where it cannot search."},
            "message": {**text, "description": "Why it cannot search, and what to do; null where it can."},
            "moments": {"type": "array", "items": {"$ref": "#/components/schemas/Moment"}},
        }
    )
    return _object(
        {
            "query": {"type": "string", "description": "The text, without blanks around it."},
            "unknown_words": {
                **strings,
                "description": "Words that no caption has; they do not count.",
            },
            "results": {"type": "array", "items": model, "description": "One entry per model."},
        }
    )


def _moment() -> dict[str, Any]:
    seconds = {"type": "number", "minimum": 0}
    return _object(
        {
            "video_id": {"type": "string"},
            "title": {"type": "string"},
            "start_s": {**seconds, "description": "Start, in seconds of the video."},
            "end_s": {**seconds, "description": "End, in seconds of the video."},
            "caption": {"type": "string", "description": "The captions of the moment."},
            "score": {"type": "number", "description": "How well it fits; to be compared within one answer only."},
            "split": {"type": "string", "enum": ["train", "validation", "test"], "description": "train: seen before."},
            "source": {"type": "string", "description": "Where the video is from; synthetic is generated data."},
            "media": {"type": ["string", "null"], "description": "Address of the video, or null without a file."},
        }
    )


def _error() -> dict[str, Any]:
    return _object({"error": {"type": "string"}})
