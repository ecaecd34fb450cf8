#!/bin/sh
# Makes what is secret at the centre, and for each agent what its box needs. What is there already stays as it is.
#
#   deploy/make-secrets.sh broker.example.org kerb-north kerb-south
#
# The first name is the one by which boxes reach the broker; it goes into the broker's certificate.
# Needs openssl and python3. Everything lands in deploy/secrets/, or in the folder named by SECRETS.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: $0 BROKER_HOST_NAME [AGENT_ID...]" >&2
    exit 2
fi
host=$1
shift
for agent in "$@"; do
    case $agent in
        "" | ingest | -* | ? | *[!a-z0-9-]* | ??????????????????????????????????????????*)
            echo "$0: $agent: expected an agent id: 2 to 41 of a-z, 0-9 and -, and not 'ingest'" >&2
            exit 2
            ;;
    esac
done

# The folder keeps others out. The files in it are readable, for containers see them as users of their own.
secrets=${SECRETS:-$(dirname "$0")/secrets}
mkdir -p "$secrets/agents"
chmod 700 "$secrets"
umask 022

word() { # a random word in a file, made once
    [ -s "$1" ] || openssl rand -hex 24 > "$1"
}

word "$secrets/agent_secret.txt"
word "$secrets/postgres_password.txt"
word "$secrets/ingest_broker_password.txt"
word "$secrets/influxdb_password.txt"
word "$secrets/influxdb_token.txt"

if [ ! -s "$secrets/ca.crt" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 \
        -subj "/CN=Wayside boxes" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$secrets/ca.key" -out "$secrets/ca.crt" 2> /dev/null
    chmod 600 "$secrets/ca.key"
fi
if [ ! -s "$secrets/broker.crt" ]; then
    extensions=$(mktemp)
    trap 'rm -f "$extensions"' EXIT
    case $host in
        *[!0-9.]*) name="DNS:$host" ;;
        *) name="IP:$host" ;;
    esac
    printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$name" > "$extensions"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj "/CN=$host" \
        -keyout "$secrets/broker.key" 2> /dev/null |
        openssl x509 -req -days 825 -sha256 -CA "$secrets/ca.crt" -CAkey "$secrets/ca.key" -CAcreateserial \
            -extfile "$extensions" -out "$secrets/broker.crt" 2> /dev/null
    chmod 644 "$secrets/broker.key"
fi

for agent in "$@"; do
    mkdir -p "$secrets/agents/$agent"
    word "$secrets/agents/$agent/broker_password.txt"
    cp "$secrets/ca.crt" "$secrets/agents/$agent/ca.crt"
done

# Passwords as mosquitto keeps them (PBKDF2 with SHA-512), and each agent's evidence token: HMAC-SHA256 of its id.
python3 - "$secrets" << 'PYTHON'
import base64, hashlib, hmac, os, pathlib, sys

secrets = pathlib.Path(sys.argv[1])
key = (secrets / "agent_secret.txt").read_bytes().strip()
users = {"ingest": secrets / "ingest_broker_password.txt"}
for folder in sorted((secrets / "agents").iterdir()):
    users[folder.name] = folder / "broker_password.txt"
    token = hmac.new(key, folder.name.encode(), hashlib.sha256).hexdigest()
    (folder / "evidence_token.txt").write_text(token + "\n")
lines = []
for user, file in users.items():
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", file.read_bytes().strip(), salt, 1000)
    lines.append(f"{user}:$7$1000${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n")
(secrets / "broker_passwords.txt").write_text("".join(lines))
PYTHON

echo "$secrets: secrets of the centre and of $(ls "$secrets/agents" | wc -l) agents"
