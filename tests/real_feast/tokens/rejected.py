"""Prints what Feast makes of tokens that the API server rejects: the user of a ServiceAccount token, or the error.

The API server is simulated. It has a RoleBinding for the ServiceAccount that the first token names, and rejects every
token.
"""

import asyncio
import json
import logging
import sys
from types import SimpleNamespace as Object
from unittest import mock

# The package of the client is not installed.
sys.modules["kubernetes"] = mock.MagicMock()

import jwt
from feast.permissions.auth.kubernetes_token_parser import KubernetesTokenParser
from starlette.authentication import AuthenticationError

logging.disable(logging.CRITICAL)
rejected = Object(authenticated=False, error="invalid bearer token", user=None)
account = Object(kind="ServiceAccount", name="notebook", namespace="team-a")
binding = Object(role_ref=Object(kind="Role", name="feast-reader"), subjects=[account])
parser = KubernetesTokenParser()
parser.auth_v1.create_token_review.return_value = Object(status=rejected)
parser.rbac_v1.list_namespaced_role_binding.return_value = Object(items=[binding])
parser._read_namespace_from_file = lambda: "feast"


def user(token):
    try:
        found = asyncio.run(parser.user_details_from_access_token(token))
        return {"username": found.username, "roles": found.roles, "groups": found.groups}
    except AuthenticationError as error:
        return str(error)


subject = {"sub": "system:serviceaccount:team-a:notebook"}
# Nobody else has this key.
signed = jwt.encode(subject, "our key" * 8, algorithm="HS256")
print(json.dumps({"service_account": user(signed), "opaque": user("sha256~token")}))
