-- Notifications for the gateways that hold sockets and event streams: the caller gets its own with
-- the reply, others get theirs through their channels. protocol.rs lists the kinds.

local function notify(gateway, kind, detail)
    local of_gateway = notifications[gateway] or {}
    notifications[gateway] = of_gateway
    table.insert(of_gateway, detail and kind .. ' ' .. detail or kind)
end

function Notifications.end_socket(socket, reason)
    notify(socket.gateway, NOTIFICATION.end_socket, reason .. ' ' .. socket.connection)
end

function Notifications.message_queued(socket)
    notify(socket.gateway, NOTIFICATION.message_queued, socket.connection)
end

-- Messages of the device were acknowledged, or cannot be any more. Notifies the caller and every gateway
-- that waits for an acknowledgement of the device.
function Notifications.messages_settled(device)
    notify(caller, NOTIFICATION.messages_settled, device)
    local waiters = redis.call('SMEMBERS', key('waiters', device))
    for _, gateway in ipairs(waiters) do
        if gateway ~= caller then
            notify(gateway, NOTIFICATION.messages_settled, device)
        end
    end
    if #waiters > 0 then
        redis.call('DEL', key('waiters', device))
    end
end

-- The caller has looked for events and found none. Names of gateways have no spaces.
function Notifications.add_reader()
    local readers = meta[4] or ''
    if not string.find(' ' .. readers, ' ' .. caller .. ' ', 1, true) then
        Call.change_meta('readers', readers .. caller .. ' ')
    end
end

-- Notifies the caller and every gateway that has looked for events and found none.
function Notifications.events_appended()
    notify(caller, NOTIFICATION.events_appended)
    local readers = meta[4] or ''
    if readers == '' then
        return
    end
    for gateway in string.gmatch(readers, '%S+') do
        if gateway ~= caller then
            notify(gateway, NOTIFICATION.events_appended)
        end
    end
    Call.change_meta('readers', '')
end

-- Tells the caller, who counts them, how many messages expired in this call.
function Notifications.messages_expired()
    notify(caller, NOTIFICATION.messages_expired, string.format('%d', expired_messages))
end

-- A notification is a hint: a gateway that misses one compares its sockets with Redis when it joins
-- again. The channel is sharded: in a Redis Cluster the message stays on the node. A failure to publish must not undo the operation.
local function publish(gateway, message)
    redis.pcall('SPUBLISH', key('gateway', gateway), message)
end

function Notifications.publish()
    for gateway, of_gateway in pairs(notifications) do
        if gateway ~= caller then
            publish(gateway, table.concat(of_gateway, '\n'))
        end
    end
end

-- Shows the caller that its channel works.
function Notifications.publish_heartbeat()
    publish(caller, NOTIFICATION.heartbeat)
end
