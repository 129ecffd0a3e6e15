--- sites: the places that targets mean, each once, with what is needed to attach there.

local binary <const> = require "crumb.names.binary"
local kernel <const> = require "crumb.names.kernel"
local tracepoint <const> = require "crumb.names.tracepoint"

local sites = {}

---@class crumb.Site
---@field kind string the target's kind
---@field target string the words it came from
---@field symbol string its name for people
---@field names string[]? all names, where several share the address
---@field offset integer? kernel functions: bytes after the symbol; binaries: in the file
---@field path string? of a binary: its descriptor's path
---@field key string two sites with one key are one place
---@field returns boolean

local EMPTY <const> = {}

local function add(found, site, target)
  site.kind, site.target = target.kind, target.text
  site.returns = target.kind == "kretprobe" or target.kind == "uretprobe" or target.returns or false
  found[#found + 1] = site
  return true
end

local function of_binary(found, target, given, opened)
  local resolved <const>, message <const>, errno <const> = binary.resolve(target, { pid = given.pid })
  if not resolved then return nil, message, errno end
  opened[#opened + 1] = resolved.elf
  for _, place in ipairs(resolved.sites) do
    add(found, {
      symbol = place.symbol, names = place.names, offset = place.offset,
      file = target.path, path = resolved.elf:path(),
      key = ("%s:%d"):format(target.path, place.offset),
    }, target)
  end
  return true
end

local function of_kernel(found, target)
  local resolved <const>, message <const>, errno <const> = kernel.resolve(target)
  if not resolved then return nil, message, errno end
  for _, place in ipairs(resolved) do
    add(found, {
      symbol = place.symbol, offset = place.offset or 0,
      key = ("%s+%d"):format(place.symbol, place.offset or 0),
    }, target)
  end
  return true
end

local function of_usdt(found, target, given, opened)
  local resolved <const>, message <const>, errno <const> = binary.usdt(target, { pid = given.pid })
  if not resolved then return nil, message, errno end
  opened[#opened + 1] = resolved.elf
  return add(found, {
    symbol = target.provider .. ":" .. target.name, path = resolved.elf:path(),
    provider = target.provider, name = target.name, key = target.text,
  }, target)
end

local function of_tracepoint(found, target)
  local done <const>, message <const>, errno <const> = tracepoint.resolve(target)
  if not done then return nil, message, errno end
  return add(found, {
    symbol = target.category .. ":" .. target.name,
    category = target.category, name = target.name, key = target.text,
  }, target)
end

local function of_name(found, target)
  local name <const> = target.name or target.symbol
  return add(found, { symbol = name, name = name, key = target.text }, target)
end

local function of_perf_event(found, target)
  return add(found, { symbol = target.text:match ":(.*)$", event = target, key = target.text }, target)
end

local RESOLVERS <const> = {
  kprobe = of_kernel, kretprobe = of_kernel,
  uprobe = of_binary, uretprobe = of_binary, usdt = of_usdt,
  tracepoint = of_tracepoint,
  syscall = of_name, rawtracepoint = of_name, tp_btf = of_name, fentry = of_name, fexit = of_name,
  profile = of_perf_event, software = of_perf_event, hardware = of_perf_event,
}

--- Resolves targets to sites, in the order of the targets.
--- Errors: nil, message, errno: the first target that means nothing.
---@param targets crumb.Target[]
---@param given { pid: integer?, only: nil|fun(site: crumb.Site): boolean }
---@param opened crumb.Elf[] collects the files, which must stay open until the sites are attached
---@return crumb.Site[]?, string?, integer?
function sites.resolve(targets, given, opened)
  local found <const> = {}
  for _, target in ipairs(targets) do
    local done <const>, message <const>, errno <const> =
      RESOLVERS[target.kind](found, target, given or EMPTY, opened)
    if not done then return nil, message, errno end
  end
  if not given.only then return found end
  local chosen <const> = {}
  for _, site in ipairs(found) do
    if given.only(site) then chosen[#chosen + 1] = site end
  end
  return chosen
end

return sites
