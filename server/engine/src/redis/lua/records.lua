-- Device records: read at most once in a call, written at most once at its end (the twin of
-- memory/dirty_map.rs), and how they are encoded.
--
-- Gateways expire records. For when no gateway is left to do so, every key of a device has a TTL of
-- at least SAFETY_TTL / 2 beyond the end of its record.

-- A record is packed by `struct`, its socket after the rest. The tokens stay packed until they are asked for,
-- because most operations need at most to know whether there is one alone.
--
-- In the record, what is not there is `false`; stored, it is 0 or an empty text.
local STORED, SOCKET = '>BI4I8I8I8I8I8I8I8I8I8I8I8Bc0I4c0I4c0Bc0Bc0', '>I8Bc0Bc0Bc0I4c0'
local CLAIMED, HAS_DATA, HAS_SOCKET, HAS_WAITERS = 1, 2, 4, 8

-- A stored token is followed by the idempotency key of the request, where it is an unused one that has one.
local DIGEST_SIZE = 32
local NO_KEY = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'

local function unpack_tokens(record)
    local packed, tokens, keys = record.packed_tokens, {}, {}
    for place = 1, #packed, 2 * DIGEST_SIZE do
        local token = string.sub(packed, place, place + DIGEST_SIZE - 1)
        local request_key = string.sub(packed, place + DIGEST_SIZE, place + 2 * DIGEST_SIZE - 1)
        table.insert(tokens, token)
        keys[token] = request_key ~= NO_KEY and request_key or nil
    end
    record.tokens, record.token_keys, record.packed_tokens = tokens, keys, false
end

local function pack_tokens(record)
    local packed = {}
    for _, token in ipairs(record.tokens) do
        table.insert(packed, token)
        table.insert(packed, record.token_keys[token] or NO_KEY)
    end
    return table.concat(packed)
end

local WITH_PACKED_TOKENS = {
    __index = function(record, name)
        if name == 'tokens' or name == 'token_keys' then
            unpack_tokens(record)
            return rawget(record, name)
        end
    end,
}

-- Whether this is the only token of a device, and no request can get another in its place.
function Records.has_only_token(record, token)
    return record.packed_tokens == token .. NO_KEY
end

local function encode(record)
    local socket = record.socket
    local flags = (record.claimed and CLAIMED or 0) + (record.has_data and HAS_DATA or 0)
        + (socket and HAS_SOCKET or 0) + (record.has_waiters and HAS_WAITERS or 0)
    local tokens, last_end = record.packed_tokens or pack_tokens(record), record.last_end
    local packed = struct.pack(
        STORED, flags, record.generation, record.expires, record.keys_expire, record.rate, record.last_seq,
        record.acknowledged_seq, record.count, record.bytes, record.unknown_seq, record.reserved,
        record.first_expires or 0, record.last_seen or 0, #record.epoch, record.epoch, #tokens, tokens,
        #record.pending, record.pending, #record.ended_connection, record.ended_connection,
        #record.end_reason, record.end_reason
    )
    if socket then
        packed = packed .. struct.pack(
            SOCKET, socket.since, #socket.connection, socket.connection, #socket.gateway, socket.gateway,
            #socket.token, socket.token, #socket.link, socket.link
        )
    end
    return packed
end

-- Decodes what was read under the device's key, and keeps it for the rest of the operation.
function Records.decode(device, packed)
    if not packed then
        loaded[device] = false
        return nil
    end
    local flags, generation_of_record, expires, keys_expire, rate, last_seq, acknowledged_seq, count, bytes,
        unknown_seq, reserved, first_expires, last_seen, epoch, tokens, pending, ended_connection, end_reason,
        place = struct.unpack(STORED, packed)
    local record = {
        claimed = flags % 2 == 1,
        has_data = flags % 4 >= HAS_DATA, -- whether the device has said something of itself, which has its own key
        has_waiters = flags >= HAS_WAITERS, -- whether gateways wait for an acknowledgement
        generation = generation_of_record,
        expires = expires, -- unless a socket is open then
        keys_expire = keys_expire, -- the TTL of the device's keys ends here
        rate = rate, -- the theoretical arrival time of the next authorisation, in microseconds
        last_seq = last_seq, -- the number of the newest message; the first is 1
        acknowledged_seq = acknowledged_seq, -- every message up to this number left by an acknowledgement, or expired
        count = count, -- messages in the outbox
        bytes = bytes, -- of these
        unknown_seq = unknown_seq, -- of messages up to this number is not known whether they expired
        reserved = reserved, -- bytes reserved for the events that the record is certain to cause
        first_expires = first_expires > 0 and first_expires, -- when the first message of the outbox expires, where it is known
        last_seen = last_seen > 0 and last_seen, -- when the device last got a token that it asked for, or its socket ended
        epoch = epoch,
        -- Of these, `tokens` has the oldest first; of a claim, one that the device has and then unused ones.
        -- `token_keys` has the idempotency keys of unused tokens, by token.
        packed_tokens = tokens,
        pending = pending, -- open authorisations, packed by authorisations.lua
        ended_connection = ended_connection, -- the connection that the engine ended last, or an empty text
        end_reason = end_reason, -- and why
        socket = false,
    }
    if flags % 8 >= HAS_SOCKET then
        local since, connection, gateway, token, link = struct.unpack(SOCKET, packed, place)
        record.socket = { since = since, connection = connection, gateway = gateway, token = token, link = link }
    end
    setmetatable(record, WITH_PACKED_TOKENS)
    if generation_of_record ~= generation then
        -- The newest numbers may be lost, and would be given twice.
        local stream = redis.call('HGET', key('meta'), 'stream')
        record.epoch = string.sub(redis.sha1hex(stream .. record.epoch), 1, 22)
        record.generation = generation
        dirty[device] = true
    end
    loaded[device] = record
    return record
end

function Records.load(device)
    local record = loaded[device]
    if record == nil then
        return Records.decode(device, redis.call('GET', key('device', device)))
    end
    return record or nil
end

-- Keeps a record that was just made.
function Records.insert(device, record)
    loaded[device] = record
    dirty[device] = true
end

-- Keeps what the device has said of itself, unless that is empty. It is large and changes seldom, so
-- it is no part of the record.
function Records.describe(device, record, data)
    if data ~= '' then
        redis.call('SET', key('device-data', device), data, 'PX', record.expires - now + SAFETY_TTL)
        record.has_data = true
        Records.touch(device)
    end
end

-- What the device has said of itself; empty where that is nothing.
function Records.description(device, record)
    return record.has_data and redis.call('GET', key('device-data', device)) or ''
end

-- The record has changed and is written at the end of the call.
function Records.touch(device)
    dirty[device] = true
end

function Records.delete(device, record)
    Events.unreserve(record)
    loaded[device] = false
    dirty[device] = nil
    redis.call(
        'DEL', key('device', device), key('device-data', device), key('outbox', device), key('expired', device),
        key('accepted', device), key('idempotency', device), key('idempotency-due', device), key('waiters', device)
    )
end

-- Gives a key of the device the TTL of its record.
function Records.limit_ttl(record, name)
    redis.call('PEXPIRE', name, math.max(record.keys_expire - now, 1))
end

local function save(device, record)
    Events.reserve(device, record)
    if record.keys_expire >= record.expires + SAFETY_TTL / 2 then
        redis.call('SET', key('device', device), encode(record), 'KEEPTTL')
        return
    end
    record.keys_expire = math.max(record.expires, now) + SAFETY_TTL
    for _, kind in ipairs({ 'device-data', 'outbox', 'expired', 'accepted' }) do
        Records.limit_ttl(record, key(kind, device))
    end
    for _, token in ipairs(record.tokens) do
        Records.limit_ttl(record, key('token', token))
    end
    if record.socket then
        Sockets.keep_link(record.socket)
    end
    redis.call('SET', key('device', device), encode(record), 'PX', math.max(record.keys_expire - now, 1))
end

function Records.save_dirty()
    for device in pairs(dirty) do
        save(device, loaded[device])
    end
end
