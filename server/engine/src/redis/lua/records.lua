-- Device records: read at most once in a call, written at most once at its end (the twin of
-- memory/dirty_map.rs), and how they are encoded.
--
-- Gateways expire records. For when no gateway is left to do so, every key of a device has a TTL of
-- at least SAFETY_TTL / 2 beyond the end of its record.

-- A record has two parts: numbers and the socket, which every call needs, and lists, which few do. The
-- first is packed by `struct`, which takes a tenth of the time; the second by MessagePack, and stays packed
-- until it is asked for.
--
-- In the record, what is not there is `false`; stored, it is 0 or an empty text.
local NUMBERS, SOCKET = '>BI4I8I8I8I8I8I8I8I8I8I8I8Bc0', '>I8Bc0Bc0Bc0I4c0'
local CLAIMED, HAS_DATA, HAS_SOCKET = 1, 2, 4

local LISTS = {
    tokens = true, -- the oldest first; of a claim, one that the device has and then unused ones
    token_keys = true, -- of unused tokens: the idempotency key of the request, by token
    pending = true, -- open authorisations: half ref and time of expiry of each
    last_end = true, -- the connection that the engine ended last, and the reason
}

local function unpack_lists(record)
    setmetatable(record, nil)
    record.tokens, record.token_keys, record.pending, record.last_end = cmsgpack.unpack(record.packed_lists)
    record.packed_lists = nil
end

local WITH_PACKED_LISTS = {
    __index = function(record, name)
        if LISTS[name] then
            unpack_lists(record)
            return record[name]
        end
    end,
}

local function encode(record)
    local socket = record.socket
    local flags = (record.claimed and CLAIMED or 0) + (record.has_data and HAS_DATA or 0) + (socket and HAS_SOCKET or 0)
    local packed = struct.pack(
        NUMBERS, flags, record.generation, record.expires, record.keys_expire, record.rate, record.last_seq,
        record.acknowledged_seq, record.count, record.bytes, record.unknown_seq, record.reserved,
        record.first_expires or 0, record.last_seen or 0, #record.epoch, record.epoch
    )
    if socket then
        packed = packed .. struct.pack(
            SOCKET, socket.since, #socket.connection, socket.connection, #socket.gateway, socket.gateway,
            #socket.token, socket.token, #socket.link, socket.link
        )
    end
    local lists = rawget(record, 'packed_lists')
        or cmsgpack.pack(record.tokens, record.token_keys, record.pending, record.last_end)
    return packed .. lists
end

-- Decodes what was read under the device's key, and keeps it for the rest of the call.
function Records.decode(device, packed)
    if not packed then
        loaded[device] = false
        return nil
    end
    local record, flags, place = {}, nil, nil
    flags, record.generation,
        record.expires, -- unless a socket is open then
        record.keys_expire, -- the TTL of the device's keys ends here
        record.rate, -- the theoretical arrival time of the next authorisation, in microseconds
        record.last_seq, -- the number of the newest message; the first is 1
        record.acknowledged_seq, -- every message up to this number left by an acknowledgement, or expired
        record.count, -- messages in the outbox
        record.bytes, -- of these
        record.unknown_seq, -- of messages up to this number is not known whether they expired
        record.reserved, -- bytes reserved for the events that the record is certain to cause
        record.first_expires, -- when the first message of the outbox expires, where it is known
        record.last_seen, -- when the device last got a token that it asked for, or its socket ended
        record.epoch, place = struct.unpack(NUMBERS, packed)
    record.claimed = flags % 2 == 1
    record.has_data = flags % 4 >= HAS_DATA -- whether the device has said something of itself, which has its own key
    record.first_expires = record.first_expires > 0 and record.first_expires
    record.last_seen = record.last_seen > 0 and record.last_seen
    record.socket = false
    if flags >= HAS_SOCKET then
        local socket = {}
        socket.since, socket.connection, socket.gateway, socket.token, socket.link, place =
            struct.unpack(SOCKET, packed, place)
        record.socket = socket
    end
    record.packed_lists = string.sub(packed, place)
    setmetatable(record, WITH_PACKED_LISTS)
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
