-- What crumb doctor finds, and that what it advises helps. Things are changed in a mount namespace of their own, or put back.
local cli = require "support.cli"
local core = require "crumb.core"
local forms = require "support.forms"

-- What the doctor says after these commands, in a namespace where mounts are nobody else's.
local function after(commands, words)
	if core.execute { "unshare", "-m", "true" } ~= 0 then pending "no mount namespaces here" return nil end
	local script <const> = ("mount --make-rprivate / 2>/dev/null; %s\nexec build/crumb doctor %s"):format(commands, words or "")
	return cli.shell("unshare -m sh -c " .. cli.quoted(script))
end

local function finding(text, name)
	return text:match(("\n(%%a%%a  %s [^\n]*\n    [^\n]*)\n"):format(name)) or text:match(("\n(%%a%%a  %s [^\n]*)\n"):format(name))
end

describe("crumb doctor", function()
	it("says that tracefs is not mounted; what it advises helps", function()
		local hide <const> = "umount -l /sys/kernel/tracing /sys/kernel/debug 2>/dev/null;"
			.. "while umount -l /sys/kernel/tracing 2>/dev/null; do :; done"
		local text <const>, status <const> = after(hide)
		if not text then return end
		assert.equal(0, status)
		local said <const> = finding(text, "tracefs")
		assert.matches("^no  tracefs +none\n    tracepoints and system calls need it: tracefs is not mounted: mount %-t tracefs", said)
		local mended <const> = after(hide .. "; " .. said:match "mount %-t tracefs tracefs %S+")
		assert.matches("^ok  tracefs +/sys/kernel/tracing$", finding(mended, "tracefs"))
	end)

	it("says that bpffs is not mounted; what it advises helps", function()
		local hide <const> = "while umount -l /sys/fs/bpf 2>/dev/null; do :; done"
		local text <const> = after(hide)
		if not text then return end
		local said <const> = finding(text, "bpffs")
		assert.matches("^no  bpffs +not mounted\n", said)
		assert.matches("^ok  bpffs ", finding(after(hide .. "; " .. said:match "mount %-t .*$"), "bpffs"))
	end)

	it("knows of a lockdown, or says how to know of it", function()
		local folder <const> = "mount -t tmpfs tmpfs /sys/kernel/security; "
		local unknown <const> = after(folder)
		if not unknown then return end
		assert.matches("^no  lockdown +not known\n"
			.. "    mount %-t securityfs securityfs /sys/kernel/security tells$", finding(unknown, "lockdown"))
		local mode <const> = folder .. "echo '%s' >/sys/kernel/security/lockdown"
		assert.matches("^ok  lockdown +integrity$", finding(after(mode:format "none [integrity] confidentiality"), "lockdown"))
		local text <const>, status <const>, errors <const> = after(mode:format "none integrity [confidentiality]")
		assert.matches("^NO  lockdown +confidentiality\n    this kernel is locked down %(confidentiality%)", finding(text, "lockdown"))
		assert.same({ 1, "crumb: this machine cannot be traced as things are: see NO above\n" }, { status, errors })
	end)

	it("counts descriptors, where each site takes one", function()
		local multi <const> = require "crumb.bpf.features".hook "uprobe.multi".available
		local text <const> = cli.shell "ulimit -n 512; build/crumb doctor"
		local said <const> = finding(text, "descriptors")
		if multi then
			assert.matches("^ok  descriptors +512$", said)
		else
			assert.matches("^no  descriptors +512\n    [^\n]*ulimit %-n 65536$", said)
			assert.matches("^ok ", finding(cli.shell "ulimit -n 65536; build/crumb doctor", "descriptors"))
		end
	end)

	it("sees the kernel's symbols and the JIT", function()
		local text <const> = cli.run "doctor"
		assert.matches("^ok  kernel symbols /proc/kallsyms$", finding(text, "kernel symbols"))
		assert.matches("^o[kf]  JIT ", finding(text, "JIT"))
	end)

	it("has JSON and CSV of the same findings", function()
		if not forms.has_json then pending "no dkjson on this machine" return end
		local objects <const>, table_ <const> = forms.json(cli.run("doctor", "--json")), forms.csv(cli.run("--csv", "doctor"))[1]
		assert.equal(#objects, #table_)
		assert.same({ "name", "ok", "needed", "available", "cookie", "found", "remedy" }, table_.header)
		for i, one in ipairs(objects) do
			assert.equal(one.name, table_[i].name)
			assert.equal(tostring(one.ok), table_[i].ok)
			assert.is_true(one.ok or type(one.remedy) == "string", one.name)
			assert.is_string(one.found)
		end
	end)

	it("says what is wrong with its words", function()
		assert.same({ "", 2, "crumb: too many arguments\nTry 'crumb --help'.\n" }, { cli.run("doctor", "x") })
	end)
end)
