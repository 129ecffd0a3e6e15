--- sslsniff: what programs send and receive by TLS, as they see it.

-- How much of the second argument is data is either returned, or stands where the fourth points to. OpenSSL's BIO_f_ssl
-- calls none of these.
local FORMS <const> = {
	{
		bytes = "s32(retval)", where = "s32(retval) > 0",
		-- gnutls_record_send is send2 with an argument more.
		sent = { libssl = { "SSL_write" }, libgnutls = { "gnutls_record_send2" } },
		received = { libssl = { "SSL_read" }, libgnutls = { "gnutls_record_recv" } },
	},
	{
		bytes = "u64[arg3]", where = "s32(retval) == 1",
		sent = { libssl = { "SSL_write_ex", "SSL_write_early_data" } },
		received = { libssl = { "SSL_read_ex", "SSL_read_early_data" } },
	},
}

local function hex(bytes)
	return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- The functions of a form, wherever they may be: a probe's targets, and which directions they are of.
local function calls_of(form, file)
	local targets <const>, directions <const> = {}, {}
	for _, direction in ipairs { "sent", "received" } do
		for _, library in ipairs { "libssl", "libgnutls" } do
			for _, name in ipairs(form[direction][library] or {}) do
				targets[#targets + 1] = ("uprobe:%s:%s"):format(file or library, name)
				directions[name] = direction
			end
		end
	end
	return targets, directions
end

return {
	summary = "Shows what programs send and receive by TLS (OpenSSL, GnuTLS), unencrypted.",
	example = "crumb sslsniff --length 1024 -p 4711",
	options = function(parser, read)
		parser:option "--library":argname "PATH":description "Only in this library, or program that is linked with one."
		parser:option "--length":argname "BYTES":convert(read.between(1, 4096)):default "64"
			:description "How much is shown, at most 4096."
		parser:flag "-x --hex":description "As hexadecimal digits."
	end,
	run = function(session, given)
		local any, why = false, nil
		for _, form in ipairs(FORMS) do
			local probe <const>, directions <const> = calls_of(form, given.library)
			probe.returns, probe.missing, probe.where = true, "skip", form.where
			probe.capture = { bytes = form.bytes, head = ("bytes(arg1, %s, %d)"):format(form.bytes, given.length) }
			probe.handler = function(event)
				event.data = event.head and given.hex and hex(event.head) or event.head
				event.truncated = event.truncated and { data = true }
				event.direction, event.head, event.retval = directions[event.symbol], nil, nil
				session:show(event)
			end
			local done <const>, message <const> = pcall(session.probe, session, probe)
			any, why = any or done, why or message
		end
		if not any then error(why, 0) end -- libraries differ in the forms they have
	end,
}
