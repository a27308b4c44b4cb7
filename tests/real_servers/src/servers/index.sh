cat >/dev/null
printf 'Content-Type: text/plain\r\n\r\nok\n'
