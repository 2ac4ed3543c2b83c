-- The gateways: how one joins, keeps its lease, and expires.

-- The gateway expires: Redis refuses its calls, and its sockets end batch by batch.
function Gateways.expire(gateway)
    redis.call('ZREM', key('gateways'), gateway)
    redis.call('ZADD', key('expired-gateways'), now, gateway)
    redis.call('HDEL', key('meta'), 'gateway:' .. gateway)
    redis.call('SET', key('expired-gateway', gateway), 1, 'PX', EXPIRED_GATEWAY_TTL)
end

-- Gives every gateway a whole lease.
local function restart_leases()
    for _, gateway in ipairs(redis.call('ZRANGE', key('gateways'), 0, -1)) do
        redis.call('ZADD', key('gateways'), now + LEASE, gateway)
    end
end

-- Renews the caller's lease. A lease that runs out shows that a gateway is dead only if others
-- reached Redis meanwhile: after a time in which no gateway did, all leases restart.
function Gateways.renew_lease()
    local last_heartbeat = tonumber(redis.call('HGET', key('meta'), 'heartbeat') or now)
    if now - last_heartbeat > LEASE / 2 then
        restart_leases()
    end
    redis.call('HSET', key('meta'), 'heartbeat', now)
    redis.call('ZADD', key('gateways'), now + LEASE, caller)
    redis.call('PEXPIRE', key('sockets', caller), LEASE + SAFETY_TTL)
end

-- Expires the gateways whose lease is over.
function Gateways.expire_due()
    for _, gateway in ipairs(redis.call('ZRANGE', key('gateways'), '-inf', now, 'BYSCORE')) do
        Gateways.expire(gateway)
    end
end

-- Ends sockets of expired gateways; returns how much of the batch is left.
function Gateways.end_sockets(left)
    while left > 0 do
        local gateway = redis.call('ZRANGE', key('expired-gateways'), 0, 0)[1]
        if not gateway then
            break
        end
        local devices = redis.call('SRANDMEMBER', key('sockets', gateway), left)
        for _, device in ipairs(devices) do
            redis.call('SREM', key('sockets', gateway), device)
            local record = Records.load(device)
            if record and record.socket and record.socket.gateway == gateway then
                Sockets.remove(device, record)
                State.extend_record(device, record, now)
            end
        end
        left = left - #devices - 1
        if left > 0 then
            redis.call('ZREM', key('expired-gateways'), gateway)
        end
    end
    return left
end

-- Joins under the name that the gateway had, if that is still good, or under a fresh one, with a
-- connection whose number is above all before: calls on those are refused from now on. Where data may be
-- lost, all gateways expire and a new generation begins: a new event stream, and a new epoch for every
-- record.
--
-- Data may be lost when another run of Redis has it than before, which `run` names. It is not where both
-- runs keep all, so that nothing but a restart lies between, and the gateway has lived through it and
-- finds its last writes: a backup that was restored looks like a restart in all else. `keeps-all` is that
-- of the run, at its worst.
--
-- In a Redis Cluster a slot moves to another node, which is another run: `moved-from` is the run that has
-- moved it, as the gateway has seen.
--
-- The format of the data is written down with it, and no other is read. The number of partitions is, too, and
-- never changes. `may_make` is whether the data
-- may begin here: not before another partition has shown that the number is right.
redis.register_function({
    function_name = LIBRARY .. '_join',
    flags = { 'allow-oom' }, -- or no gateway could make room
    callback = function(keys, args)
        local clock, deadline, name, at_connection, seen_writes = args[1], args[2], args[3], args[4], args[5]
        local fresh_name, known_stream, fresh_stream, run, keeps_all = args[6], args[7], args[8], args[9], args[10] == '1'
        local partitions, may_make, moved_from = args[11], args[12] == '1', args[13]
        prefix = keys[1]
        Call.read_clocks(clock)
        local late = Call.late(deadline)
        if late then
            return late
        end
        local found = redis.call('HMGET', key('meta'), 'stream', 'run', 'gateway:' .. name, 'keeps-all', 'partitions', 'format')
        local stream = found[1]
        if stream and tonumber(found[6] or 1) ~= FORMAT then
            return redis.error_reply('FORMAT ' .. (found[6] or '1'))
        elseif stream and (found[5] or '1') ~= partitions then
            return redis.error_reply('PARTITIONS ' .. (found[5] or '1'))
        elseif not stream and not may_make then
            return redis.error_reply('UNMADE another partition has to be reached first')
        end
        generation, connection_number, writes = Call.decode_gateway(found[3])
        if connection_number and connection_number >= tonumber(at_connection) then
            return redis.error_reply('GATEWAY connected again')
        end
        connection_number = tonumber(at_connection)
        local is_same_run, has_kept_all = found[2] == run, found[4] == '1'
        local has_expired = redis.call('EXISTS', key('expired-gateway', name)) == 1
        local knows_stream, finds_writes = known_stream == stream, writes and writes >= tonumber(seen_writes)
        -- The run that had the data has moved it here, a key at a time and refusing every call meanwhile.
        local has_moved = found[2] == moved_from and knows_stream and finds_writes
        local is_lost = not stream
            or not is_same_run and not has_moved and not (has_kept_all and keeps_all and knows_stream and finds_writes)
            or knows_stream and not has_expired and not finds_writes
        if is_lost then
            for _, gateway in ipairs(redis.call('ZRANGE', key('gateways'), 0, -1)) do
                Gateways.expire(gateway)
            end
            stream, writes = fresh_stream, nil
            redis.call('HSET', key('meta'), 'stream', stream, 'partitions', partitions, 'format', FORMAT)
            redis.call('HINCRBY', key('meta'), 'generation', 1)
            redis.call('HSETNX', key('meta'), 'next', 1)
            redis.call('HSETNX', key('meta'), 'bytes', 0)
        elseif not is_same_run then
            restart_leases()
        end
        keeps_all = keeps_all and (is_lost or has_kept_all)
        redis.call('HSET', key('meta'), 'run', run, 'keeps-all', keeps_all and 1 or 0)
        caller = writes and name or fresh_name
        if not writes then
            generation, writes = tonumber(redis.call('HGET', key('meta'), 'generation')), 0
        end
        redis.call('HSET', key('meta'), 'gateway:' .. caller, Call.encode_gateway())
        Gateways.renew_lease()
        return { stream, caller, writes }
    end,
})

-- The gateway shuts down: it expires at once.
Call.operation('leave', SUBSCRIBE, function()
    Gateways.expire(caller)
    return 'ok'
end)

-- Checks whether a write would be taken now, and whether the caller's channel works.
Call.operation('ready', PROBE, function()
    Notifications.publish_heartbeat()
    return 'ok'
end)
