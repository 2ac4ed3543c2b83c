-- Device records: read at most once in a call, written at most once at its end (the twin of
-- memory/dirty_map.rs), and how they are encoded.
--
-- Gateways expire records. For when no gateway is left to do so, every key of a device has a TTL of
-- at least SAFETY_TTL / 2 beyond the end of its record.

local function encode(record)
    return cmsgpack.pack({
        record.epoch, record.generation, record.claimed, record.tokens, record.pending, record.expires,
        record.keys_expire, record.rate, record.last_seq, record.acknowledged_seq, record.count, record.bytes,
        record.socket or false, record.last_end or false, record.unknown_seq, record.token_keys, record.reserved,
        record.first_expires or false, record.has_data or false,
        record.last_seen or false,
    })
end

-- Decodes what was read under the device's key, and keeps it for the rest of the call.
function Records.decode(device, packed)
    if not packed then
        loaded[device] = false
        return nil
    end
    local it = cmsgpack.unpack(packed)
    local record = {
        epoch = it[1],
        generation = it[2],
        claimed = it[3],
        tokens = it[4], -- the oldest first; of a claim, one that the device has and then unused ones
        pending = it[5], -- open authorisations: half ref and time of expiry of each
        expires = it[6], -- unless a socket is open then
        keys_expire = it[7], -- the TTL of the device's keys ends here
        rate = it[8], -- the theoretical arrival time of the next authorisation, in microseconds
        last_seq = it[9], -- the number of the newest message; the first is 1
        acknowledged_seq = it[10], -- every message up to this number left by an acknowledgement, or expired
        count = it[11], -- messages in the outbox
        bytes = it[12], -- of these
        socket = it[13] or nil, -- connection, gateway, since, link, token
        last_end = it[14] or nil, -- the connection that the engine ended last, and the reason
        unknown_seq = it[15], -- of messages up to this number is not known whether they expired
        token_keys = it[16] or {}, -- of unused tokens: the idempotency key of the request, by token
        reserved = it[17] or 0, -- bytes reserved for the events that the record is certain to cause
        first_expires = it[18] or nil, -- when the first message of the outbox expires, where it is known
        has_data = it[19] or nil, -- whether the device has said something of itself, which has its own key
        last_seen = it[20] or nil, -- when the device last got a token that it asked for, or its socket ended
    }
    if record.generation ~= generation then
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
        'DEL', key('device', device), key('device-data', device), key('outbox', device), key('queue', device), key('expired', device),
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
    for _, kind in ipairs({ 'device-data', 'outbox', 'queue', 'expired', 'accepted' }) do
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
