-- The outbox of a device: its messages by number in a hash, and the deadlines of all devices in one sorted set
-- (`due:messages`).

-- A stored message: its deadline, and the digest of the idempotency key that it was sent with, or an empty text.
-- Then comes the data.
local STORED = '>I8Bc0'

-- The member of a message among the deadlines of all devices. Where several messages have one
-- deadline, they are in the order of device and number.
local function deadline_member(device, seq)
    return string.format('%s %010d', device, seq)
end

local function decode(device, seq, stored)
    local expires, request, place = struct.unpack(STORED, stored)
    local data = string.sub(stored, place)
    return { device = device, seq = seq, expires = expires, size = #data, request = request, data = data }
end

local function find(device, seq)
    local stored = redis.call('HGET', key('outbox', device), text(seq))
    return stored and decode(device, seq, stored)
end

-- The numbers between two at which there may be messages, in order. Numbers follow each other unless messages
-- have expired between them; where many have, the hash is asked.
local function seqs_between(device, record, from, to)
    local seqs = {}
    if to - from < 2 * record.count + BATCH then
        for seq = from, to do
            table.insert(seqs, seq)
        end
        return seqs
    end
    for _, field in ipairs(redis.call('HKEYS', key('outbox', device))) do
        local seq = tonumber(field)
        if seq >= from and seq <= to then
            table.insert(seqs, seq)
        end
    end
    table.sort(seqs)
    return seqs
end

-- The messages with a number in this range, in order, up to `at_most`.
function Outbox.messages(device, record, from, to, at_most)
    local messages, first = {}, 1
    from, to = math.max(from, record.acknowledged_seq + 1), math.min(to, record.last_seq)
    local seqs = record.count > 0 and seqs_between(device, record, from, to) or messages
    while first <= #seqs and #messages < at_most do
        local fields, last = {}, math.min(first + math.min(BATCH, at_most) - 1, #seqs)
        for place = first, last do
            table.insert(fields, text(seqs[place]))
        end
        for place, stored in ipairs(redis.call('HMGET', key('outbox', device), unpack(fields))) do
            if stored and #messages < at_most then
                table.insert(messages, decode(device, seqs[first + place - 1], stored))
            end
        end
        first = last + 1
    end
    return messages
end

-- All messages.
function Outbox.all(device, record)
    return Outbox.messages(device, record, 1, record.last_seq, record.count)
end

-- The first messages of any device that are due, up to `at_most`, in the order of their deadlines. Of one whose
-- record Redis has expired there is nothing but device and number.
local function due_messages(at_most)
    local due = redis.call('ZRANGE', key('due:messages'), '-inf', now, 'BYSCORE', 'LIMIT', 0, at_most)
    for place, member in ipairs(due) do
        local device, seq = string.match(member, '^(%S+) (%d+)$')
        seq = tonumber(seq)
        due[place] = Records.load(device) and find(device, seq)
            or { device = device, seq = seq, expires = now, size = 0, request = '' }
    end
    return due
end

-- Calls a command with something of each message, a batch at a time: Lua bounds how many arguments a call can
-- have.
local function remove_each(command, name, messages, member)
    for first = 1, #messages, BATCH do
        local members = {}
        for place = first, math.min(first + BATCH - 1, #messages) do
            table.insert(members, member(messages[place]))
        end
        redis.call(command, name, unpack(members))
    end
end

function Outbox.clear_deadlines(messages)
    remove_each('ZREM', key('due:messages'), messages, function(message)
        return deadline_member(message.device, message.seq)
    end)
end

local function remove(device, record, messages)
    remove_each('HDEL', key('outbox', device), messages, function(message) return text(message.seq) end)
    Outbox.clear_deadlines(messages)
    for _, message in ipairs(messages) do
        record.count, record.bytes = record.count - 1, record.bytes - message.size
        if record.first_expires and message.expires <= record.first_expires then
            record.first_expires = false
        end
    end
    Records.touch(device)
end

-- Removes messages whose time is over, and remembers that they were not acknowledged: with their
-- idempotency keys, and by number as many as fit in an outbox.
local function expire_of_device(device, record, messages)
    remove(device, record, messages)
    local expired, seqs = key('expired', device), {}
    for _, message in ipairs(messages) do
        table.insert(seqs, message.seq)
        Idempotency.expire_message(message)
    end
    local extra = redis.call('RPUSH', expired, unpack(seqs)) - LIMITS.outbox_messages
    if extra > 0 then
        for _, seq in ipairs(redis.call('LPOP', expired, extra)) do
            record.unknown_seq = math.max(record.unknown_seq, tonumber(seq))
        end
    end
    Records.limit_ttl(record, expired)
end

-- Expires messages, which are in the order of their deadlines and at most a batch.
local function expire(messages)
    local by_device = {}
    for _, message in ipairs(messages) do
        by_device[message.device] = by_device[message.device] or {}
        table.insert(by_device[message.device], message)
    end
    for device, of_device in pairs(by_device) do
        local record = Records.load(device)
        if record then
            expire_of_device(device, record, of_device)
            Notifications.messages_settled(device, record)
        else
            Outbox.clear_deadlines(of_device)
            for _ = 1, #of_device do
                Events.unreserve_lost(device)
            end
        end
    end
    for _, message in ipairs(messages) do
        local record = Records.load(message.device)
        if record then
            Events.append('expired', message.device, '', record.epoch, message.seq)
        end
    end
end

-- Expires what is due in the outboxes of all devices, up to `at_most`; returns how many messages.
function Outbox.expire_due(at_most)
    local due = due_messages(math.min(at_most, BATCH))
    expire(due)
    return #due
end

-- Splits messages of one device: those that are due, in the order of their deadlines, and the others.
local function split_due(messages)
    local due, others = {}, {}
    for _, message in ipairs(messages) do
        table.insert(message.expires <= now and due or others, message)
    end
    table.sort(due, function(one, other)
        return one.expires < other.expires or one.expires == other.expires and one.seq < other.seq
    end)
    return due, others
end

-- Expires the first messages of a device, up to a batch, whether or not they are due.
function Outbox.expire_first(device, record, at_most)
    expire(Outbox.messages(device, record, 1, record.last_seq, at_most))
end

-- Expires what is due in the outbox of one device, up to a batch.
local function expire_due_of(device, record)
    local due = split_due(Outbox.all(device, record))
    expire({ unpack(due, 1, math.min(#due, BATCH)) })
end

-- How many messages wait. Those that are due do not, also before a gateway expires them.
function Outbox.count(device, record)
    if record.count == 0 or record.first_expires and record.first_expires > now then
        return record.count
    elseif redis.call('ZCOUNT', key('due:messages'), '-inf', now) == 0 then
        return record.count
    end
    local _, waiting = split_due(Outbox.all(device, record))
    return #waiting
end

-- When the first message expires. It is remembered: an outbox that stays full is not read for each
-- message that is refused.
local function first_expires(device, record)
    if record.count > 0 and not record.first_expires then
        for _, message in ipairs(Outbox.all(device, record)) do
            record.first_expires = math.min(record.first_expires or message.expires, message.expires)
        end
        Records.touch(device)
    end
    return record.first_expires or now
end

local function is_full(record, size)
    return record.count >= LIMITS.outbox_messages or record.bytes + size > LIMITS.outbox_bytes
end

-- How long until there is room for a message of this size, in milliseconds, where there is none.
-- Messages that are due take no room, also before a gateway expires them.
function Outbox.until_room(device, record, size)
    if is_full(record, size) and first_expires(device, record) <= now then
        expire_due_of(device, record)
    end
    return is_full(record, size) and math.max(first_expires(device, record) - now, 0) or nil
end

-- Queues a message, with the digest of its idempotency key or ''; returns its number.
function Outbox.push(device, record, data, ttl, request)
    local seq, expires = record.last_seq + 1, now + ttl
    if record.count == 0 then
        record.first_expires = expires
    elseif record.first_expires then
        record.first_expires = math.min(record.first_expires, expires)
    end
    record.last_seq, record.count, record.bytes = seq, record.count + 1, record.bytes + #data
    Records.touch(device)
    local outbox = key('outbox', device)
    redis.call('ZADD', key('due:messages'), text(expires), deadline_member(device, seq))
    redis.call('HSET', outbox, text(seq), struct.pack(STORED, expires, #request, request) .. data)
    State.extend_record(device, record, now)
    if record.count == 1 then
        Records.limit_ttl(record, outbox)
    end
    return seq
end

-- Removes all messages, where all are acknowledged and none is due, without reading them. Returns whether it did.
local function acknowledges_all(device, record, seq)
    local first = record.acknowledged_seq + 1
    if seq < record.last_seq or seq - first >= BATCH or not record.first_expires or record.first_expires <= now then
        return false
    end
    local members = {}
    for it = first, seq do
        table.insert(members, deadline_member(device, it))
    end
    redis.call('ZREM', key('due:messages'), unpack(members))
    redis.call('DEL', key('outbox', device))
    record.count, record.bytes, record.first_expires = 0, 0, false
    return true
end

-- Removes the messages up to a number, a batch at most. Those that are due expire: they were not
-- acknowledged in time. Returns whether there may be more; then the call is to be repeated.
function Outbox.acknowledge(device, record, seq)
    seq = math.min(seq, record.last_seq)
    local has_more = false
    if record.count > 0 and not acknowledges_all(device, record, seq) then
        local messages = Outbox.messages(device, record, 1, seq, BATCH)
        has_more = #messages == BATCH
        if has_more then
            seq = messages[BATCH].seq
        end
        if #messages > 0 then
            local due, acknowledged = split_due(messages)
            expire(due)
            remove(device, record, acknowledged)
        end
    end
    if seq > record.acknowledged_seq then
        record.acknowledged_seq = seq
        Records.touch(device)
    end
    return has_more
end

-- Whether the prospect is known to have acknowledged a message ('acknowledged'), can do so ('pending')
-- or will not ('never'). A message that is due counts as expired, also before a gateway expires it.
function Outbox.acknowledgement(device, record, seq)
    local queued = record.count > 0 and find(device, seq)
    if queued then
        return queued.expires > now and 'pending' or 'never'
    end
    local is_acknowledged = seq <= record.acknowledged_seq
        and seq > record.unknown_seq
        and not redis.call('LPOS', key('expired', device), seq)
    return is_acknowledged and 'acknowledged' or 'never'
end

-- Messages that are read at a time: most batches for a socket are smaller.
local PAGE = 10

-- The messages after a number: at least one, then up to `bytes` bytes of them; numbers and data by
-- turns, after 'more' where there are further ones.
Call.operation('outbox', READ, function(device, connection, after, bytes)
    local record, stale = Sockets.record_of(device, connection)
    if not record then
        return stale
    end
    local outcome, total, last = { 'ok' }, 0, tonumber(after)
    repeat
        local page = Outbox.messages(device, record, last + 1, record.last_seq, PAGE)
        for _, message in ipairs(page) do
            if message.expires > now then
                if total > 0 and total + message.size > tonumber(bytes) then
                    outcome[1] = 'more'
                    return outcome
                end
                total = total + math.max(message.size, 1)
                table.insert(outcome, message.seq)
                table.insert(outcome, message.data)
            end
            last = message.seq
        end
    until #page < PAGE
    return outcome
end)
