# Exim alone with its configuration, spool and mailbox below a folder, until standard input ends.
# Arguments: the unpacked packages, the folder, address and port.
set -eu
unpacked=$1 here=$2 address=$3 port=$4
mount -t overlay servers -o "lowerdir=$unpacked/usr:/usr" /usr

# The user under whose name it was built, in this namespace only.
mkdir "$here/etc"
for file in passwd group; do
    grep -v ^Debian-exim: /etc/$file > "$here/etc/$file"
done
echo 'Debian-exim:x:9925:9925::/:/bin/false' >> "$here/etc/passwd"
echo 'Debian-exim:x:9925:' >> "$here/etc/group"
for file in passwd group; do
    mount --bind "$here/etc/$file" /etc/$file
done
install -d -o Debian-exim -g Debian-exim "$here/spool"
install -d -o Debian-exim -g Debian-exim "$here/mail"

cat > "$here/etc/exim.conf" <<END
primary_hostname = mx.example.org
spool_directory = $here/spool
log_file_path = $here/spool/%slog
pid_file_path = $here/spool/exim.pid
domainlist local_domains = example.org
acl_smtp_rcpt = everybody
acl_smtp_data = everybody
never_users =
message_size_limit = 0
local_interfaces = $address
daemon_smtp_ports = $port
tls_advertise_hosts =
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_queue_per_connection = 0
begin acl
everybody:
  accept
begin routers
everybody:
  driver = accept
  transport = inbox
begin transports
inbox:
  driver = appendfile
  directory = $here/mail/inbox
  create_directory
  maildir_format
  user = Debian-exim
  group = Debian-exim
END
exim4 -C "$here/etc/exim.conf" -bdf > "$here/printed" 2>&1 &
exec cat
