-- One call of a function: who calls, what time it is, and what the call has read and changed so far.
--
-- Everything is read again in every call; nothing is kept between calls. `Call.operation` registers
-- a function; the other files are modules, each a table of functions, so that their order does not
-- matter. LIMITS, END_REASON, NOTIFICATION and the other constants in capitals come from the header
-- that function_library.rs makes.

-- Of the call: the prefix of every key, the time in milliseconds since the Unix epoch, the gateway
-- that calls, and how often it has written.
local prefix, now, caller, writes

-- The generation of the data. It grows when data may have been lost; records of an older generation
-- get a new epoch when they are read.
local generation

-- What the call has read and changed: records by device (false where there is none), the devices
-- whose record has to be written, notifications by gateway, the head of the event log, and whether
-- events were appended.
local loaded, dirty, notifications, event_log, has_appended

local Call, Notifications, Records, Events, Sockets, State = {}, {}, {}, {}, {}, {}
local Tokens, Authorisations, Outbox, Idempotency, Gateways, Deadlines = {}, {}, {}, {}, {}, {}

local function key(kind, name)
    return prefix .. kind .. (name and ':' .. name or '')
end

-- The gateway's clock; Redis's own where the gateway passes none.
local function time_of(clock)
    if clock ~= '' then
        return tonumber(clock)
    end
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Begins a call; returns an error where the gateway must not act.
--
-- Redis and the gateway both count the gateway's writes. A gateway that counts more than Redis was
-- answered by a Redis that has lost something since; `join` then removes every gateway's count, so
-- that each has to join again.
function Call.begin(at_prefix, clock, gateway, seen_writes)
    prefix, now, caller = at_prefix, time_of(clock), gateway
    loaded, dirty, notifications, event_log, has_appended = {}, {}, {}, nil, false
    local found = redis.call('HGET', key('meta'), 'writes:' .. caller)
    if not found then
        local has_expired = redis.call('EXISTS', key('expired-gateway', caller)) == 1
        return has_expired and 'GATEWAY expired' or 'GATEWAY data lost'
    end
    generation, writes = string.match(found, '^(%d+) (%d+)$')
    generation, writes = tonumber(generation), tonumber(writes)
    if writes < tonumber(seen_writes) then
        return 'GATEWAY data lost'
    end
end

function Call.store_writes()
    redis.call('HSET', key('meta'), 'writes:' .. caller, generation .. ' ' .. writes)
end

-- Writes back what the call changed, publishes notifications, and makes the reply.
function Call.finish(outcome, kind)
    if has_appended then
        Notifications.events_appended()
    end
    if kind.saves then
        Records.save_dirty()
        Events.store_log()
    end
    if kind.counts then
        writes = writes + 1
        Call.store_writes()
    end
    Notifications.publish()
    return { writes, notifications[caller] or {}, outcome }
end

-- Kinds of operations. `saves`: changes records. `counts`: changes what must not be lost. The flags
-- are those of Redis: 'allow-oom' for what works when memory is short, because it makes room or ends
-- what is due; 'no-writes' for what only reads.
local WRITE = { saves = true, counts = true, flags = {} }
local MAKE_ROOM = { saves = true, counts = true, flags = { 'allow-oom' } }
local WRITE_LOSABLE = { saves = true, flags = {} }
local SUBSCRIBE = { flags = { 'allow-oom' } }
local READ = { flags = { 'no-writes' } }
local PROBE = { flags = {} }

-- Registers an operation. Its own arguments come first; the last three are the gateway's clock, its
-- name and its count of writes.
function Call.operation(name, kind, body)
    redis.register_function({
        function_name = LIBRARY .. '_' .. name,
        flags = kind.flags,
        callback = function(keys, args)
            local own = #args - 3
            local refused = Call.begin(keys[1], unpack(args, own + 1))
            if refused then
                return redis.error_reply(refused)
            end
            return Call.finish(body(unpack(args, 1, own)), kind)
        end,
    })
end
