# Postfix alone with its configuration, queue and mailboxes below a folder, until standard input ends.
# Arguments: the unpacked packages, the folder, address and port, and the transport of the mail for example.org.
# The port after it is served by one that offers neither BDAT nor pipelining.
set -eu
unpacked=$1 here=$2 address=$3 port=$4 transport=$5
mount -t overlay servers -o "lowerdir=$unpacked/usr:/usr" /usr

# Users that every Debian has, each for one part, as Postfix demands.
owner=uucp group=news
mkdir -p "$here/etc" "$here/queue" "$here/mail"
install -d -o $owner -m 700 "$here/data"
chown nobody "$here/mail"
cd "$here/queue"
install -d -o $owner -m 700 active bounce corrupt defer deferred flush hold incoming private saved trace
install -d -o $owner -g $group -m 730 maildrop
install -d -o $owner -g $group -m 710 public
install -d pid

cat > "$here/etc/main.cf" <<END
compatibility_level = 3.6
queue_directory = $here/queue
data_directory = $here/data
meta_directory = $here/etc
mail_owner = $owner
setgid_group = $group
default_privs = games
maillog_file = $here/log
maillog_file_prefixes = $here
myhostname = mx.example.org
mydestination =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
smtp_dns_support_level = disabled
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_mailbox_base = $here/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 1
virtual_transport = $transport
message_size_limit = 0
mailbox_size_limit = 0
virtual_mailbox_limit = 0
END
cat > "$here/etc/master.cf" <<END
$address:$port inet n - n - - smtpd
$address:$((port + 1)) inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=chunking,pipelining
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
END
/usr/lib/postfix/sbin/master -c "$here/etc" -d > "$here/printed" 2>&1 &
exec cat
