"""Requests that Schemathesis makes of the OpenAPI document: no fault, no undocumented answer."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import APIOperation, Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from marketsweep.serve.api.endpoints import ENDPOINTS, PREFIX
from marketsweep.serve.http.openapi import openapi
from tests.serve.conftest import Server

OPERATIONS = [
    result.ok()
    for result in schemathesis.openapi.from_dict(openapi(ENDPOINTS)).get_all_operations()
    if isinstance(result, Ok) and result.ok().label != f"GET {PREFIX}/sync"  # it never ends
]
EXAMPLES = -(-2_000 // len(OPERATIONS))


def test_every_endpoint_has_an_operation() -> None:
    assert len(OPERATIONS) == sum(len(endpoint.methods) for endpoint in ENDPOINTS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_documented(
    own_server: Server, operation: APIOperation[Any, Any, Any, Any]
) -> None:
    @settings(max_examples=EXAMPLES)
    @given(case=operation.as_strategy())
    def check(case: Case[Any]) -> None:
        case.call_and_validate(
            base_url=own_server.url,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    check()
