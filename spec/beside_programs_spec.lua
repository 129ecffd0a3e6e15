-- The tools that look into programs beside others' of the same name, at once on the same load: the same answer.
local beside = require "support.beside"
local child = require "support.child"
local cli = require "support.cli"

-- What a pattern captures of each line, as words.
local function found(lines, pattern)
	local list <const> = {}
	for _, line in ipairs(lines) do
		local values <const> = table.pack(line:match(pattern))
		if values[1] then list[#list + 1] = table.concat(values, " ") end
	end
	return list
end

before_each(child.setup)
after_each(child.teardown)

describe("bashreadline shows the same lines", function()
	local function check(name)
		if (cli.shell "command -v script"):find "/" == nil then pending "nothing that makes a bash a terminal" end
		local theirs <close> = beside.start(name)
		if not theirs then return false end
		local ours <close> = assert(beside.start "build/crumb bashreadline")
		local bash <const> = child.start("script -qec 'bash --norc --noprofile -i' /dev/null")
		for i = 1, 3 do bash:say(("echo crumb_mark_$((%d * 2))"):format(i)) end
		bash:lines "crumb_mark_6"
		bash:say "exit"
		local expected <const> = found(theirs:finish(), "^[%d:]+ +(%d+) +(echo crumb_mark_.*)$")
		assert.equal(3, #expected)
		assert.same(expected, found(ours:finish(), '^%S+ bash%[(%d+)%] readline line="(echo crumb_mark_.*)" user='))
		return true
	end

	it("as bpftrace's", function()
		if not check "bashreadline.bt" then pending "bpftrace's bashreadline does not run here" end
	end)

	it("as libbpf-tools'", function()
		if not check "bashreadline" then pending "libbpf-tools' bashreadline does not run here" end
	end)
end)

describe("sslsniff", function()
	-- Of two who talk by TLS; what they do is done in the folder of the test.
	local function talk()
		local key <const>, certificate <const> = child.folder .. "/key", child.folder .. "/certificate"
		local _, status <const> = cli.shell(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout %s -out %s")
			:format(key, certificate))
		if status ~= 0 then pending "no openssl here" end
		local server <const> = child.start("openssl s_server -accept 127.0.0.1:0 -cert %s -key %s", certificate, key)
		local lines <const> = server:lines "^ACCEPT"
		local client <const> = child.start("openssl s_client -quiet -connect 127.0.0.1:%s", lines[#lines]:match ":(%d+)$")
		client:say "hello"
		server:lines "hello"
		server:say "hello there"
		client:lines "hello there"
		client:say "hello again, and goodbye"
		server:lines "goodbye"
		server:say "hold on"
		client:lines "hold on"
		return server.pid, client.pid
	end

	local function of(list, pid)
		local own <const> = {}
		for _, words in ipairs(list) do own[#own + 1] = words:match("^" .. pid .. " (.*)$") end
		return own
	end

	it("shows the same results as bpftrace's sslsnoop", function()
		local theirs <close> = beside.start "sslsnoop.bt"
		if not theirs then pending "bpftrace's sslsnoop does not run here" return end
		local ours <close> = assert(beside.start "build/crumb sslsniff")
		local _, client <const> = talk()
		local expected <const> = of(found(theirs:finish(), "^%d+ +(%d+) +openssl +%d+ +([1-9]%d*) (SSL_[rw]%l+)$"), client)
		assert.same({ "6 SSL_write", "12 SSL_read", "25 SSL_write", "8 SSL_read" }, expected)
		local own <const> = found(ours:finish(), " openssl%[(%d+)%] (SSL_%l+) bytes=(%d+) ")
		for i, words in ipairs(own) do own[i] = words:gsub("^(%d+) (%S+) (%d+)$", "%1 %3 %2") end
		assert.same(expected, of(own, client))
	end)
end)
