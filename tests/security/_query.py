"""One statement from one address (standard input: orders as JSON); run by Patroni's Python."""

import json
import sys
from pathlib import Path

import psycopg

orders = json.loads(sys.argv[1])
Path("/tmp/ca.crt").write_text(orders["ca"])
options = orders["options"] | {"sslrootcert": "/tmp/ca.crt"}
try:
    with psycopg.connect(**options, autocommit=True) as connection:
        row = connection.execute(orders["sql"]).fetchone()
        print(json.dumps({"row": [str(value) for value in row or ()], "refusal": ""}))
except psycopg.Error as error:
    print(json.dumps({"row": [], "refusal": str(error)}))
