-- The lifecycle of a device: its record and its socket (with records.lua, the twin of
-- memory/state.rs).

-- Extends the life of the record to its full time after `at`. In `due:records` it stays where it is:
-- when it comes up there, it is put where it belongs, so that the many that extend a record cost nothing
-- there.
function State.extend_record(device, record, at)
    local expires = at + LIMITS.record_ttl
    if expires > record.expires then
        record.expires = expires
        Records.touch(device)
    end
end

-- Puts the records that are due by `due:records`, up to `at_most`, where they belong in it. Returns
-- whether any was moved; then the call is to be repeated, so that records expire in their order.
function State.moves_due_records(at_most)
    local due = redis.call('ZRANGE', key('due:records'), '-inf', now, 'BYSCORE', 'LIMIT', 0, at_most, 'WITHSCORES')
    local has_moved = false
    for place = 1, #due, 2 do
        local record = Records.load(due[place])
        if record and record.expires > tonumber(due[place + 1]) then
            redis.call('ZADD', key('due:records'), record.expires, due[place])
            has_moved = true
        end
    end
    return has_moved
end

-- A new record; nil at the limit of devices.
function State.new_record(device, epoch, claimed)
    if redis.call('ZCARD', key('due:records')) >= LIMITS.devices then
        return nil
    end
    local record = {
        epoch = epoch,
        generation = generation,
        claimed = claimed,
        tokens = {},
        token_keys = {},
        pending = '',
        expires = now,
        keys_expire = 0,
        rate = 0,
        last_seq = 0,
        acknowledged_seq = 0,
        unknown_seq = 0,
        count = 0,
        bytes = 0,
        reserved = 0,
        first_expires = false,
        last_seen = false,
        ended_connection = '',
        end_reason = '',
        has_data = false,
        has_waiters = false,
        socket = false,
    }
    Records.insert(device, record)
    redis.call('ZADD', key('due:records'), now, device)
    return record
end

-- Expires a batch of an outbox that is larger than one, before its record is deleted, so that no call
-- writes more than a batch of events. Returns whether it did; then the call is to be repeated. Until
-- the last call the record is whole: a caller that gives up leaves nothing half done.
function State.shrinks_record(device, record)
    if record.count <= BATCH then
        return false
    end
    Outbox.expire_first(device, record, BATCH)
    return true
end

-- Ends a record. Returns whether it has ended; otherwise the call is to be repeated.
function State.ends_record(device, record)
    if State.shrinks_record(device, record) then
        return false
    end
    State.delete_record(device, record)
    return true
end

function State.delete_record(device, record)
    redis.call('ZREM', key('due:records'), device)
    for _, token in ipairs(record.tokens) do
        redis.call('DEL', key('token', token))
        redis.call('ZREM', key('due:tokens'), token)
    end
    if record.socket then
        Sockets.finish(device, record, END_REASON.revoked)
    end
    if record.count > 0 then
        Notifications.messages_settled(device, record)
        local messages = Outbox.all(device, record)
        for _, message in ipairs(messages) do
            Events.append('expired', device, '', record.epoch, message.seq)
        end
        Outbox.clear_deadlines(messages)
    end
    for _, it in ipairs(Authorisations.pending(device, record)) do
        Authorisations.finish(it[1], device, 'revoked')
    end
    Records.delete(device, record)
end

-- Whether the socket's gateway is known: it has a lease, or has expired and its sockets are being
-- ended.
local function gateway_is_known(gateway)
    return redis.call('ZSCORE', key('gateways'), gateway) or redis.call('ZSCORE', key('expired-gateways'), gateway)
end

-- Removes what names a device whose record Redis has expired.
local function forget_lost(device)
    redis.call('ZREM', key('due:records'), device)
    if redis.call('ZREM', key('connected'), device) == 1 then
        Events.unreserve_lost(device)
    end
end

-- The record's time is over. A record with an open socket is kept. Returns what it counts for in a
-- batch of what is due.
function State.expire_record(device)
    local record = Records.load(device)
    if record and record.socket and not gateway_is_known(record.socket.gateway) then
        Sockets.remove(device, record)
    end
    if not record then
        forget_lost(device)
    elseif record.socket then
        State.extend_record(device, record, now)
    elseif State.shrinks_record(device, record) then
        return BATCH
    else
        State.delete_record(device, record)
        return 1 + record.count
    end
    return 1
end

local function describe(device)
    local record = Records.load(device)
    if not record then
        return nil
    end
    local state = { device, Outbox.count(device, record), Records.description(device, record) }
    local socket = record.socket
    if not socket then
        table.insert(state, record.last_seen or '')
        return state
    end
    for _, field in ipairs({ now, socket.connection, socket.since, socket.link }) do
        table.insert(state, field)
    end
    return state
end

Call.operation('device', READ, function(device)
    return { describe(device) }
end)

Call.operation('connected', READ, function(link, after, limit)
    local name = link == '' and key('connected') or Sockets.key_of_link(link)
    local from = after == '' and '-' or '(' .. after
    local devices = redis.call('ZRANGE', name, from, '+', 'BYLEX', 'LIMIT', 0, limit)
    local found = {}
    for _, device in ipairs(devices) do
        table.insert(found, describe(device))
    end
    return found
end)

Call.operation('disconnect', MAKE_ROOM, function(device)
    local record = Records.load(device)
    if record and not State.ends_record(device, record) then
        return 'more'
    end
    return 'ok'
end)

-- Disconnects a device that is to be erased. Then its events and half refs from before this are left: the
-- reply has the ends of the events, and the time.
Call.operation('erase_record', MAKE_ROOM, function(device)
    local record = Records.load(device)
    if not record then
        forget_lost(device)
    elseif not State.ends_record(device, record) then
        return 'more'
    end
    local first, last = Events.ends_of(device)
    return { 'ok', first, last, now }
end)

Call.operation('erase_events', MAKE_ROOM, function(device, from, last)
    local next = Events.erase(device, from, last)
    return { next and 'more' or 'ok', next }
end)

Call.operation('erase_half_refs', MAKE_ROOM, function(device, cursor, ended)
    local next = Authorisations.erase(device, cursor, tonumber(ended))
    return { next ~= '0' and 'more' or 'ok', next }
end)
