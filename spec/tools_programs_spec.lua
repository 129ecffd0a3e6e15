-- The tools that look into programs, each beside real ones: bash at a pseudo-terminal, OpenSSL and GnuTLS on loopback,
-- and Python.
local beside = require "support.beside"
local child = require "support.child"
local cli = require "support.cli"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local Folder = require "support.folder"

local PYTHON <const> = "/usr/bin/python3"

local folder

local function has(program) return (cli.shell("command -v " .. program)) ~= "" end

local function runs(command) return select(2, cli.shell(command .. " >/dev/null 2>&1")) == 0 end

-- A tool that traces.
local function start(format, ...) return assert(beside.start("build/crumb " .. format:format(...))) end

setup(function() folder = Folder.make() end)
teardown(function() folder:remove() end)

before_each(child.setup)
after_each(child.teardown)

describe("bashreadline", function()
	it("shows what is typed at a bash, and who typed it", function()
		if not (has "script" and has "bash") then pending "no bash, or nothing that makes it a terminal" end
		local tool <close> = start "bashreadline"
		local bash <const> = child.start("script -qec 'bash --norc --noprofile -i' /dev/null")
		for _, line in ipairs { "crumb_mark=1", "", "echo 'two  words' $((20 + 3))" } do bash:say(line) end
		bash:lines "two  words 23"
		local lines <const> = tool:finish()
		bash:say "exit"
		while not lines[1]:find 'line="crumb_mark=1"' do table.remove(lines, 1) end -- other shells of this machine
		local pid <const> = lines[1]:match " bash%[(%d+)%] "
		local own <const> = {}
		for _, line in ipairs(lines) do
			own[#own + 1] = line:match("^%S+ bash%[" .. pid .. "%] readline (.*)$")
		end
		assert.same({
			'line="crumb_mark=1" user=root', 'line="" user=root', [[line="echo 'two  words' $((20 + 3))" user=root]],
		}, own)
	end)

	it("shows only bash's of those who share a readline with it", function()
		local source <const> = folder:write("reader.c", [[
			#include <stdio.h>
			#include <readline/readline.h>
			int main(void) { while (readline("")); return 0; }
		]])
		local shell <const> = folder.path .. "/bash"
		if not runs(("cc -o %s %s -lreadline"):format(shell, source)) then pending "no compiler, or no readline to link with" end
		assert(os.execute(("cp %s %s/other"):format(shell, folder.path)))
		local tool <close> = start("--csv bashreadline --shell %s", shell)
		for _, name in ipairs { "other", "bash", "other", "bash" } do
			local reader <const> = child.start("%s/%s >/dev/null", folder.path, name)
			reader:say("crumb_from_" .. name)
			reader:finish()
		end
		local own <const> = {}
		for _, line in ipairs(tool:finish()) do own[#own + 1] = line:match "crumb_from_%l+.*$" end
		assert.same({ "crumb_from_bash,root", "crumb_from_bash,root" }, own)
	end)
end)

describe("sslsniff", function()
	-- A server on a free port of loopback.
	local function serve(words)
		if not has "openssl" then pending "no openssl here" end
		local key <const>, certificate <const> = folder.path .. "/key", folder.path .. "/certificate"
		if not core.read(certificate) then
			assert(runs(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout %s -out %s")
				:format(key, certificate)))
		end
		local server <const> = child.start("openssl s_server -accept 127.0.0.1:0 -cert %s -key %s %s", certificate, key, words)
		local lines <const> = server:lines "^ACCEPT"
		return server, lines[#lines]:match ":(%d+)$"
	end

	-- What a tool has said of a process, without times.
	local function of(lines, pid)
		local own <const> = {}
		for _, line in ipairs(lines) do
			own[#own + 1] = line:match("^%S+ openssl%[" .. pid .. "%] (.*) latency=%S+$")
		end
		return own
	end

	it("shows what both sides say and hear", function()
		local server <const>, port <const> = serve ""
		local tool <close> = start "sslsniff"
		local client <const> = child.start("openssl s_client -quiet -connect 127.0.0.1:%s", port)
		client:say "hello from the client"
		server:lines "hello from the client"
		server:say "hello\t\27[31m"
		client:lines "hello\t"
		client:say "thanks"
		server:lines "thanks"
		server:say "hold on"
		client:lines "hold on"
		local lines <const> = tool:finish()
		assert.same({
			[[SSL_write bytes=22 data="hello from the client\n" direction=sent]],
			[[SSL_read bytes=12 data=hello\t\x1b[31m\n direction=received]],
			[[SSL_write bytes=7 data=thanks\n direction=sent]],
			[[SSL_read bytes=8 data="hold on\n" direction=received]],
		}, of(lines, client.pid))
		assert.same({
			[[SSL_read bytes=22 data="hello from the client\n" direction=received]],
			[[SSL_write bytes=12 data=hello\t\x1b[31m\n direction=sent]],
			[[SSL_read bytes=7 data=thanks\n direction=received]],
		}, table.move(of(lines, server.pid), 1, 3, 1, {}))
	end)

	it("shows a head of the data, as digits when they are wanted", function()
		local server <const>, port <const> = serve ""
		local tool <close> = start "sslsniff --hex --length 4"
		local client <const> = child.start("openssl s_client -quiet -connect 127.0.0.1:%s", port)
		client:say "hello"
		server:lines "hello"
		assert.same({ "SSL_read bytes=6 data=68656c6c… direction=received" }, of(tool:finish(), server.pid))
	end)

	-- Runs a client of the command of -c on a server that says what file it was asked for: what was sent.
	local function sent_by(client)
		local _ <const>, port <const> = serve "-WWW"
		local text <const> = child.run("build/crumb -q --json -c %s sslsniff 2>/dev/null", child.quoted(client:format(port)))
		local calls <const> = {}
		for call, bytes, direction in text:gmatch '"symbol":"([%w_]+)"[^\n]-"bytes":(%d+)[^\n]-"direction":"(%l+)"' do
			calls[#calls + 1] = ("%s %s %s"):format(call, direction, bytes)
		end
		return calls
	end

	it("knows the calls that tell lengths by a pointer, and a library that is not mapped yet", function()
		if not runs(PYTHON .. " -c 'import ssl'") then pending "no Python with TLS here" end
		local script <const> = folder:write("client.py", [[
import socket, ssl, sys
context = ssl._create_unverified_context()
peer = context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
peer.sendall(b"GET /no HTTP/1.0\r\n\r\n")
peer.recv(10)
peer.recv(4)
]])
		assert.same({ "SSL_write_ex sent 20", "SSL_read_ex received 10", "SSL_read_ex received 4" },
			sent_by(PYTHON .. " " .. script .. " %s"))
	end)

	it("knows GnuTLS", function()
		if cli.shell "ldd $(command -v wget)":find "libgnutls" == nil then pending "no wget with GnuTLS here" end
		local calls <const> = sent_by("wget --no-check-certificate -qO /dev/null https:" .. "//127.0.0.1:%s/no")
		assert.matches("^gnutls_record_send2 sent %d+$", calls[1])
		assert.matches("^gnutls_record_recv received %d+$", calls[2])
	end)

	it("says what is wrong when there is nothing to listen to", function()
		local text <const>, status <const>, errors <const> = cli.run("sslsniff", "--library", "build/fixtures/victim")
		assert.same({ "", 1 }, { text, status })
		assert.matches("^crumb: uprobe:build/fixtures/victim:SSL_write: no symbol 'SSL_write'", errors)
	end)
end)

describe("pythoncalls", function()
	-- It ends without what an orderly end calls.
	local SCRIPT <const> = [[
import os, threading
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def leaf():
    pass
def outer():
    for i in range(5): leaf()
class A:
    def __init__(self): leaf()
class B(A):
    def __init__(self): super().__init__()
def raises():
    raise ValueError
fib(10)
for i in range(7): B()
for i in range(3):
    try: raises()
    except ValueError: pass
threads = [threading.Thread(target = outer) for i in range(2)]
for each in threads: each.start()
for each in threads: each.join()
os._exit(7)
]]
	local COUNTS <const> = {
		"fib,2,177", "leaf,4,17", "__init__,9,7", "__init__,11,7", "raises,12,3", "outer,6,2",
	}

	local function needs_probes()
		local elf <close> = binaries.elf(PYTHON)
		if not (elf and elf:usdt()[1]) then pending "no /usr/bin/python3 with USDT probes here" end
	end

	-- Its records: as { name =, line =, … } each.
	local function records(...)
		needs_probes()
		local script <const> = folder:write("calls.py", SCRIPT)
		local text <const>, status <const>, errors <const> = cli.run("--csv", "-c", ("%s -I -S %s"):format(PYTHON, script),
			"pythoncalls", "--where", ('str(arg0) == "%s"'):format(script), ...)
		assert.same({ 7, "" }, { status, errors })
		local header, list <const> = nil, {}
		for line in text:gmatch "[^\n]+" do
			local record <const>, at = {}, 0
			for word in line:gmatch "[^,]+" do
				at = at + 1
				record[header and header[at] or at] = word
			end
			if header then list[#list + 1] = record else header = record end
		end
		return list
	end

	-- Of the functions that COUNTS has, as it has them.
	local function counted(list)
		local known <const>, found <const> = {}, {}
		for _, text in ipairs(COUNTS) do known[text:match "^(.-,%d+),"] = true end
		for _, record in ipairs(list) do
			local key <const> = record.name .. "," .. record.line
			if known[key] then found[#found + 1] = key .. "," .. record.count end
		end
		table.sort(found)
		return found
	end

	local function sorted(list)
		local copy <const> = table.move(list, 1, #list, 1, {})
		table.sort(copy)
		return copy
	end

	it("counts each call by file, name and line", function()
		local list <const> = records()
		assert.same(sorted(COUNTS), counted(list))
		assert.same({ "fib", "leaf" }, { list[1].name, list[2].name })
		assert.equal(1, #records("--top", "1"))
	end)

	it("times each call, with recursion, exceptions and threads", function()
		local list <const> = records "--latency"
		assert.same(sorted(COUNTS), counted(list))
		local of <const> = {}
		for _, record in ipairs(list) do of[record.name .. record.line] = record end
		-- Only the first fib is in the time of them all.
		assert.equal(of.fib2.max_us, of.fib2.total_us)
		-- What is within is in the time of who called it.
		assert.is_true(tonumber(of.__init__11.total_us) >= tonumber(of.__init__9.total_us))
		assert.equal(1, #records("--latency", "--top", "1"))
	end)

	it("refuses a command that is no Python with probes, rather than to see nothing", function()
		needs_probes()
		local script <const> = folder:write("python3", ("#!/bin/sh\nexec %s \"$@\"\n"):format(PYTHON))
		assert(os.execute("chmod 755 " .. script))
		local text <const>, status <const>, errors <const> = cli.run("-c", script .. " -c pass", "pythoncalls")
		assert.same({ "", 1 }, { text, status })
		assert.matches("usdt:exe:python:line: the file has no USDT probes\n$", errors)
	end)

	it("watches a process that runs", function()
		needs_probes()
		local waiting <const> = folder:write("waiting.py", "import sys\ndef crumb_called(line): pass\nprint('ready', flush = True)\n"
			.. "for line in sys.stdin:\n    crumb_called(line)\n    print('called', flush = True)\n")
		local python <const> = child.start("%s -I -S %s", PYTHON, waiting)
		python:lines "^ready"
		local tool <close> = start("-p %d pythoncalls", python.pid)
		for _ = 1, 5 do
			python:say ""
			python:lines "^called"
		end
		assert.matches("/waiting%.py +2 +crumb_called +5$", tool:finish()[2])
	end)
end)
