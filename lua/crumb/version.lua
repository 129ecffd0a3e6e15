--- version: which crumb this is, said here only. Between two releases it is the next one's, with -dev.

return "0.1.0-dev"
