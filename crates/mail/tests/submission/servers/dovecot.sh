# Dovecot alone as submission server and as the place of mailboxes, below a folder, until standard input ends.
# Arguments: the unpacked packages, the folder, address and port, certificate and key, and address and port of the relay.
# At the port it is LMTP, at the next one submission with STARTTLS, at the one after with TLS from the first byte.
set -eu
unpacked=$1 here=$2 address=$3 port=$4 certificate=$5 key=$6 relay=$7 relay_port=$8
mount -t overlay servers -o "lowerdir=$unpacked/usr:/usr" /usr

mkdir "$here/run"
install -d -o nobody "$here/mail"
echo 'ada:{PLAIN}pencil' > "$here/users"
cat > "$here/dovecot.conf" <<END
base_dir = $here/run
state_dir = $here/run
log_path = $here/log
protocols = lmtp submission
listen = $address
default_internal_user = uucp
default_internal_group = uucp
default_login_user = games
hostname = mx.example.org
auth_mechanisms = plain login scram-sha-1 scram-sha-256 cram-md5
ssl = required
ssl_cert = <$certificate
ssl_key = <$key
passdb {
  driver = passwd-file
  args = $here/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=$here/mail/%n allow_all_users=yes
}
mail_location = maildir:~/
first_valid_uid = 1
first_valid_gid = 1
submission_relay_host = $relay
submission_relay_port = $relay_port
service submission-login {
  inet_listener submission {
    port = $((port + 1))
  }
  inet_listener submissions {
    port = $((port + 2))
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = $port
  }
}
END
dovecot -F -c "$here/dovecot.conf" > "$here/printed" 2>&1 &
exec cat
