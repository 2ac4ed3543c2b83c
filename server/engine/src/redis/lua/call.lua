-- One call of a function: who calls, what time it is, and what the call has read and changed so far.
--
-- Everything is read again in every call; nothing is kept between calls. `Call.operation` registers
-- a function; the other files are modules, each a table of functions, so that their order does not
-- matter. LIMITS, END_REASON, NOTIFICATION and the other constants in capitals come from the header
-- that function_library.rs makes.

-- Of the call: the prefix of every key, the time in milliseconds since the Unix epoch, by Redis's own
-- clock and by the one that is used, the gateway that calls, the number of its connection, and how often
-- it has written.
local prefix, server_time, now, caller, connection_number, writes

-- The generation of the data. It grows when data may have been lost; records of an older generation
-- get a new epoch when they are read.
local generation

-- What the call has read and changed: records by device (false where there is none), the devices
-- whose record has to be written, notifications by gateway, the head of the event log, whether events
-- were appended, and how many messages expired.
local loaded, dirty, notifications, event_log, has_appended, expired_messages

-- Fields of `meta`, which every call reads at once, because a command costs more than a field: the
-- number of the next event, the bytes of events and those that are reserved, and the gateways that wait
-- for events. Then those that have changed, names and values by turns: every call writes them at once.
local meta, changed_meta

local Call, Notifications, Records, Events, Sockets, State = {}, {}, {}, {}, {}, {}
local Tokens, Authorisations, Outbox, Idempotency, Gateways, Deadlines = {}, {}, {}, {}, {}, {}
local Pointers = {}

local function key(kind, name)
    return prefix .. kind .. (name and ':' .. name or '')
end

-- Reads the clocks; returns an error where the call comes too late, after its caller has given up. The
-- error has Redis's time, by which the gateway corrects what it knows of it.
function Call.read_clocks(clock, deadline)
    local time = redis.call('TIME')
    server_time = time[1] * 1000 + math.floor(time[2] / 1000)
    now = clock ~= '' and tonumber(clock) or server_time
    if server_time > tonumber(deadline) then
        return string.format('LATE %d', server_time)
    end
end

-- What `meta` keeps of a gateway: the generation that it joined, the number of its connection, and how
-- often it has written; nothing where it has not joined.
function Call.decode_gateway(found)
    if found then
        local generation, connection, writes = string.match(found, '^(%d+) (%d+) (%d+)$')
        return tonumber(generation), tonumber(connection), tonumber(writes)
    end
end

-- Begins a call; returns an error where the gateway must not act.
--
-- A call that its caller has given up must not act any more: it has a deadline, and the number of the
-- connection that it was made on. What a gateway could not learn the outcome of is settled when it
-- connects again, and a call on an earlier connection would undo that.
--
-- Redis and the gateway both count the gateway's writes. A gateway that counts more than Redis was
-- answered by a Redis that has lost something since; `join` then removes every gateway's count, so
-- that each has to join again.
function Call.begin(at_prefix, clock, deadline, gateway, at_connection, seen_writes)
    prefix, caller = at_prefix, gateway
    local late = Call.read_clocks(clock, deadline)
    if late then
        return late
    end
    loaded, dirty, notifications, event_log, has_appended, expired_messages = {}, {}, {}, nil, false, 0
    meta = redis.call('HMGET', key('meta'), 'next', 'bytes', 'reserved', 'readers', 'gateway:' .. caller)
    changed_meta = {}
    generation, connection_number, writes = Call.decode_gateway(meta[5])
    if not generation then
        local has_expired = redis.call('EXISTS', key('expired-gateway', caller)) == 1
        return has_expired and 'GATEWAY expired' or 'GATEWAY data lost'
    elseif connection_number ~= tonumber(at_connection) then
        return 'GATEWAY connected again'
    elseif writes < tonumber(seen_writes) then
        return 'GATEWAY data lost'
    end
end

-- The caller as `meta` keeps it.
function Call.encode_gateway()
    return string.format('%d %d %d', generation, connection_number, writes)
end

function Call.change_meta(name, value)
    table.insert(changed_meta, name)
    table.insert(changed_meta, value)
end

-- Writes back what the call changed, publishes notifications, and makes the reply.
function Call.finish(outcome, kind)
    if has_appended then
        Notifications.events_appended()
    end
    if expired_messages > 0 then
        Notifications.messages_expired()
    end
    if kind.saves then
        Records.save_dirty()
        Events.store_log()
    end
    if kind.counts then
        writes = writes + 1
        Call.change_meta('gateway:' .. caller, Call.encode_gateway())
    end
    if #changed_meta > 0 then
        redis.call('HSET', key('meta'), unpack(changed_meta))
    end
    Notifications.publish()
    return { writes, server_time, notifications[caller] or {}, outcome }
end

-- Kinds of operations. `saves`: changes records. `counts`: changes what must not be lost. The flags
-- are those of Redis: 'allow-oom' for what works when memory is short, because it makes room or ends
-- what is due; 'no-writes' for what only reads.
local WRITE = { saves = true, counts = true, flags = {} }
local MAKE_ROOM = { saves = true, counts = true, flags = { 'allow-oom' } }
local WRITE_LOSABLE = { saves = true, flags = {} }
local SUBSCRIBE = { flags = { 'allow-oom' } }
local READ = { flags = { 'no-writes' } }
local POINT = { flags = {} }
local PROBE = { flags = {} }

-- Registers an operation. Its own arguments come first; the last five are those of `Call.begin`.
function Call.operation(name, kind, body)
    redis.register_function({
        function_name = LIBRARY .. '_' .. name,
        flags = kind.flags,
        callback = function(keys, args)
            local own = #args - 5
            local refused = Call.begin(keys[1], unpack(args, own + 1))
            if refused then
                return redis.error_reply(refused)
            end
            return Call.finish(body(unpack(args, 1, own)), kind)
        end,
    })
end
