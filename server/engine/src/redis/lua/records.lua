-- What is kept for a device, and how each part of it ends.

-- The words for the reasons; `event.rs` knows the same.
local REVOKED, SUPERSEDED, TOKEN_EXPIRED, LEASE_EXPIRED = 'revoked', 'superseded', 'token-expired', 'lease-expired'

-- The record lives on for its full time after `at`.
local function keep_after(device, record, at)
    local ends = at + LIMITS.record_ttl
    if ends > record.ends then
        record.ends = ends
        redis.call('ZADD', key('due:records'), ends, device)
        touch(device)
    end
end

-- A new record, or nothing where there is no room for one more device.
local function new_record(device, epoch, claimed)
    if redis.call('ZCARD', key('due:records')) >= LIMITS.devices then
        return nil
    end
    local record = {
        epoch = epoch,
        generation = generation,
        claimed = claimed,
        tokens = {},
        waiting = {},
        ends = now,
        net = 0,
        rate = 0,
        newest = 0,
        acknowledged = 0,
        count = 0,
        bytes = 0,
    }
    cached[device] = record
    touch(device)
    redis.call('ZADD', key('due:records'), now, device)
    return record
end

-- A token as it was found: its device and the end of its life.
local function found_token(known)
    if not known then
        return nil
    end
    local expires, device = string.match(known, '^(%d+) (.*)$')
    return device, tonumber(expires)
end

local function token_of(token)
    return found_token(redis.call('GET', key('token', token)))
end

local function add_token(device, record, token)
    local expires = now + LIMITS.token_ttl
    table.insert(record.tokens, token)
    touch(device)
    keep_after(device, record, expires)
    redis.call('SET', key('token', token), expires .. ' ' .. device, 'PX', record.ends - now + NET)
    redis.call('ZADD', key('due:tokens'), expires, token)
end

local function drop_token(device, record, token)
    for place, known in ipairs(record.tokens) do
        if known == token then
            table.remove(record.tokens, place)
            break
        end
    end
    touch(device)
    redis.call('DEL', key('token', token))
    redis.call('ZREM', key('due:tokens'), token)
end

local function newest_token(record)
    return record.tokens[#record.tokens]
end

-- A half ref as it was found.
local function found_half_ref(packed)
    if not packed then
        return nil
    end
    local known = cmsgpack.unpack(packed)
    return { device = known[1], state = known[2], ends = known[3], token = known[4], link = known[5] }
end

local function half_ref_of(half_ref)
    return found_half_ref(redis.call('GET', key('half-ref', half_ref)))
end

local function keep_half_ref(half_ref, known)
    local packed = cmsgpack.pack({ known.device, known.state, known.ends, known.token or '', known.link or '' })
    redis.call('SET', key('half-ref', half_ref), packed, 'PX', known.ends - now + LIMITS.half_ref_memory + NET)
end

local function waits_no_longer(device, record, half_ref)
    for place, waiting in ipairs(record.waiting) do
        if waiting[1] == half_ref then
            table.remove(record.waiting, place)
            touch(device)
            break
        end
    end
end

-- The half ref waits no longer; it is remembered for a while, so that a replay can be told from a
-- stranger.
local function end_waiting(half_ref, known, why)
    local record = load(known.device)
    if record then
        waits_no_longer(known.device, record, half_ref)
    end
    redis.call('ZREM', key('due:waiting'), half_ref)
    known.state, known.ends, known.token, known.link = why, now + LIMITS.half_ref_memory, nil, nil
    keep_half_ref(half_ref, known)
    redis.call('ZADD', key('due:remembered'), known.ends, half_ref)
    if redis.call('ZCARD', key('due:remembered')) > LIMITS.remembered_half_refs then
        local oldest = redis.call('ZPOPMIN', key('due:remembered'))
        redis.call('DEL', key('half-ref', oldest[1]))
    end
end

-- The token by right of which a half ref waits or a socket is open: a claim has one holder.
local function bound_to(record, token)
    return record.claimed and newest_token(record) or token
end

-- Appends the event of a socket's end. No cause means that the connection was lost.
local function socket_ended(device, record, cause)
    local socket = record.socket
    record.socket = nil
    touch(device)
    redis.call('ZREM', key('connected'), device)
    redis.call('SREM', key('sockets', socket.gateway), device)
    event('disconnected', device, socket.connection, cause)
    return socket
end

-- Ends the socket and notifies the gateway that holds it. The notification can be lost, so the reason
-- is kept.
local function end_socket(device, record, reason)
    local socket = socket_ended(device, record, reason)
    record.last = { socket.connection, reason }
    tell(socket.gateway, 'x ' .. reason .. ' ' .. socket.connection)
end

-- Ends what waits or is open by right of `token`.
local function end_bound_to(device, record, token, reason)
    if record.socket and bound_to(record, record.socket.token) == token then
        end_socket(device, record, reason)
        keep_after(device, record, now)
    end
    local ended = {}
    for _, waiting in ipairs(record.waiting) do
        local known = half_ref_of(waiting[1])
        if known and bound_to(record, known.token) == token then
            table.insert(ended, { waiting[1], known })
        end
    end
    for _, it in ipairs(ended) do
        end_waiting(it[1], it[2], reason == TOKEN_EXPIRED and 'expired' or 'revoked')
    end
end

-- The messages that wait, in order: number, deadline and size of each.
local function queued(device, from, to)
    local members = redis.call('ZRANGE', key('queue', device), from, to, 'BYSCORE')
    local messages = {}
    for _, member in ipairs(members) do
        local seq, ends, size = string.match(member, '^(%d+) (%d+) (%d+)$')
        table.insert(messages, { seq = tonumber(seq), ends = tonumber(ends), size = tonumber(size), member = member })
    end
    return messages
end

-- Takes messages out of the outbox.
local function take_out(device, record, messages)
    for _, message in ipairs(messages) do
        redis.call('HDEL', key('outbox', device), message.seq)
        redis.call('ZREM', key('queue', device), message.member)
        record.count, record.bytes = record.count - 1, record.bytes - message.size
    end
    if record.count == 0 then
        redis.call('ZREM', key('due:messages'), device)
    end
    touch(device)
end

local function end_record(device, record)
    redis.call('ZREM', key('due:records'), device)
    for _, token in ipairs(record.tokens) do
        redis.call('DEL', key('token', token))
        redis.call('ZREM', key('due:tokens'), token)
    end
    if record.socket then
        end_socket(device, record, REVOKED)
    end
    if record.count > 0 then
        for _, message in ipairs(queued(device, '-inf', '+inf')) do
            event('expired', device, '', record.epoch, message.seq)
        end
        redis.call('ZREM', key('due:messages'), device)
    end
    local waiting = record.waiting
    record.waiting = {}
    for _, it in ipairs(waiting) do
        local known = half_ref_of(it[1])
        if known then
            end_waiting(it[1], known, 'revoked')
        end
    end
    forget(device)
end

-- Why a connection is not the device's socket.
local function why_stale(record, connection)
    if not record then
        return REVOKED
    end
    if record.socket then
        return SUPERSEDED
    end
    if record.last and record.last[1] == connection then
        return record.last[2]
    end
    return LEASE_EXPIRED
end

-- The record, if the connection is the device's socket; otherwise what to answer.
local function record_of(device, connection)
    local record = load(device)
    if record and record.socket and record.socket.connection == connection then
        return record
    end
    return nil, { 'stale', why_stale(record, connection) }
end
