"""One file per command, which reads like the protocol. The other files hold what several commands share."""
