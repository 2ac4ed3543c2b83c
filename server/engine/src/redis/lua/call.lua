-- One call of a function: who calls, what time it is, and what the call has read and changed so far.
--
-- A call performs operations, one after the other. Everything is read again in every call; nothing is kept
-- between calls. `Call.operation` registers an operation; the other files are modules, each a table of
-- functions, so that their order does not matter. LIMITS, END_REASON, NOTIFICATION and the other constants
-- in capitals come from the header that function_library.rs makes.

-- Of the call: the prefix of every key, the time in milliseconds since the Unix epoch, by Redis's own
-- clock and by the one that is used, the gateway that calls, the number of its connection, and how often
-- it has written.
local prefix, server_time, now, caller, connection_number, writes

-- The generation of the data. It grows when data may have been lost; records of an older generation
-- get a new epoch when they are read.
local generation

-- What an operation has read and changed: records by device (false where there is none), and the devices
-- whose record has to be written.
local loaded, dirty

-- What the operations of the call cause together: notifications, gateways and texts by turns; the head of
-- the event log (the number of the next event, the bytes of all that are kept, and the bytes that are reserved
-- for those that the records are certain to cause), whether events were appended, and how many messages
-- expired.
local notifications, event_log, has_appended, expired_messages

-- When half refs are to be forgotten, times and half refs by turns: one command adds those of all operations.
local half_ref_deadlines

-- Numbers as commands take them, by number: see `text`.
local texts

-- Fields of `meta`, which every call reads at once, because a command costs more than a field: the
-- number of the next event, the bytes of events and those that are reserved, and the gateways that wait
-- for events. Then those that have changed, names and values by turns: every call writes them at once.
local meta, changed_meta
local META_READERS = 4

local Call, Notifications, Records, Events, Sockets, State = {}, {}, {}, {}, {}, {}
local Tokens, Authorisations, Outbox, Idempotency, Gateways, Deadlines = {}, {}, {}, {}, {}, {}
local Pointers = {}

local function key(kind, name)
    return prefix .. kind .. (name and ':' .. name or '')
end

-- A whole number as commands take it. Redis would write one of Lua with 17 digits, which takes longer; and
-- operations that share a call have times in common.
local function text(number)
    local found = texts[number]
    if not found then
        found = string.format('%d', number)
        texts[number] = found
    end
    return found
end

function Call.read_clocks(clock)
    local time = redis.call('TIME')
    server_time = time[1] * 1000 + math.floor(time[2] / 1000)
    now = clock ~= '' and tonumber(clock) or server_time
end

-- The refusal of what comes too late, after its caller has given up; nothing where it is in time. It has
-- Redis's time, by which the gateway corrects what it knows of it.
function Call.late(deadline)
    if server_time > tonumber(deadline) then
        return redis.error_reply(string.format('LATE %d', server_time))
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
-- An operation that its caller has given up must not act any more: it has a deadline, and the call the number
-- of the connection that it was made on. What a gateway could not learn the outcome of is settled when it
-- connects again, and a call on an earlier connection would undo that.
--
-- Redis and the gateway both count the calls in which the gateway writes. A gateway that counts more than
-- Redis was answered by a Redis that has lost something since; `join` then removes every gateway's count, so
-- that each has to join again.
function Call.begin(at_prefix, clock, gateway, at_connection, seen_writes)
    prefix, caller = at_prefix, gateway
    Call.read_clocks(clock)
    notifications, has_appended, expired_messages, half_ref_deadlines, texts = {}, false, 0, {}, {}
    meta = redis.call('HMGET', key('meta'), 'next', 'bytes', 'reserved', 'readers', 'gateway:' .. caller)
    changed_meta = {}
    event_log = { next = tonumber(meta[1]), bytes = tonumber(meta[2]), reserved = tonumber(meta[3] or 0) }
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

function Call.change_readers(readers)
    meta[META_READERS] = readers
    Call.change_meta('readers', readers)
end

-- Writes back what the operations changed together and publishes notifications. Returns those for the caller.
local function finish(counts)
    if has_appended then
        Notifications.events_appended()
    end
    if expired_messages > 0 then
        Notifications.messages_expired()
    end
    Events.store_log()
    Authorisations.store_deadlines()
    if counts then
        writes = writes + 1
        Call.change_meta('gateway:' .. caller, Call.encode_gateway())
    end
    if #changed_meta > 0 then
        redis.call('HSET', key('meta'), unpack(changed_meta))
    end
    return Notifications.publish()
end

-- Kinds of operations: the function in Redis that performs them; `saves`: they change records; `counts`: they change
-- what must not be lost.
local WRITE = { by = 'write', saves = true, counts = true }
local WRITE_LOSABLE = { by = 'write', saves = true }
local POINT = { by = 'write' }
local PROBE = { by = 'write' }
local MAKE_ROOM = { by = 'make_room', saves = true, counts = true }
local SUBSCRIBE = { by = 'make_room' }
local SUBSCRIBE_TO_DEVICE = { by = 'make_room', saves = true }
local READ = { by = 'read' }

local operations = {}

-- Registers an operation: a function of its arguments that returns a word, or an array.
function Call.operation(name, kind, body)
    operations[name] = { kind = kind, body = body }
end

local function run(operation, ...)
    local outcome = operation.body(...)
    if operation.kind.saves then
        Records.save_dirty()
    end
    return outcome
end

local function shorten(list, length)
    for place = #list, length + 1, -1 do
        list[place] = nil
    end
end

-- Performs an operation in time. One that fails makes no notification, and the others neither fail nor see
-- what it has read.
local function perform(operation, deadline, ...)
    local late = Call.late(deadline)
    if late then
        return late
    end
    loaded, dirty = {}, {}
    local notified, deadlines, reserved = #notifications, #half_ref_deadlines, event_log.reserved
    local is_done, outcome = pcall(run, operation, ...)
    if is_done then
        return outcome
    end
    event_log.reserved = reserved
    shorten(notifications, notified)
    shorten(half_ref_deadlines, deadlines)
    -- That of a command begins with its code.
    local message = type(outcome) == 'table' and outcome.err or tostring(outcome)
    return redis.error_reply(string.find(message, '^%u+ ') and message or 'ERR ' .. message)
end

-- The arguments: those of `Call.begin`, and then of each operation its name, its deadline, the number of
-- its own arguments, and these. The reply: how often the gateway has written, Redis's time, the caller's
-- notifications, and of each operation its outcome or error.
local FIRST_OPERATION = 5

-- Registers the function that performs the operations whose kind names it.
local function register(by, flags)
    redis.register_function({
        function_name = LIBRARY .. '_' .. by,
        flags = flags,
        callback = function(keys, args)
            local refused = Call.begin(keys[1], unpack(args, 1, FIRST_OPERATION - 1))
            if refused then
                return redis.error_reply(refused)
            end
            local reply, counts, place = { 0, server_time, '' }, false, FIRST_OPERATION
            while place <= #args do
                local operation, last = operations[args[place]], place + 2 + args[place + 2]
                if operation and operation.kind.by == by then
                    table.insert(reply, perform(operation, args[place + 1], unpack(args, place + 3, last)))
                    counts = counts or operation.kind.counts
                else
                    table.insert(reply, redis.error_reply('ERR no such operation'))
                end
                place = last + 1
            end
            reply[3] = finish(counts)
            reply[1] = writes
            return reply
        end,
    })
end

-- The flags are those of Redis: 'allow-oom' for operations that work when memory is short, because they make
-- room or end what is due; 'no-writes' for those that only read.
register('write', {})
register('make_room', { 'allow-oom' })
register('read', { 'no-writes' })
