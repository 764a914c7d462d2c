"""What bumble 0.0.236's simulated radio gets wrong, and what mends it, each fault by itself.

`tests/unit/test_bumble_fixes.py` shows each fault in bumble as it is: when one of those tests fails, bumble no longer
has the fault, and its work-around goes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

_ENHANCED = 1 << 9
"""LE Enhanced Connection Complete in the LE event mask (Bluetooth Core 5.4, vol 4, part E, 7.8.1)."""


class DataFromTheConnectionsAddress(LocalLink):
    """Fault: LE data are labelled with the sender's random address, even where the connection was made with its public
    one, so that the receiver knows no such connection and drops them. BlueZ connects with its public address.
    """

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Label them with the address that the sender has in this connection."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if transport != PhysicalTransport.LE or connection is None or receiver is None:
            super().send_acl_data(sender_controller, destination_address, transport, data)
            return
        asyncio.get_running_loop().call_soon(
            receiver.on_link_acl_data, connection.self_address, transport, data
        )


@dataclass
class _AnsweringAdvertisement(ll.AdvExtInd):
    """An advertisement with what its sender answers to who scans actively."""

    scan_response: bytes = b""


class ScanResponse(Controller):
    """Fault: a scanner hears the advertisement a second time in place of the scan response, which never leaves its
    sender. The key's name and serial number are in the scan response.
    """

    _scan_response: bytes | None = None

    def send_advertising_pdu(self, packet: ll.AdvertisingPdu) -> None:
        """Send the scan response along."""
        if isinstance(packet, ll.AdvExtInd):
            packet = _AnsweringAdvertisement(
                advertiser_address=packet.advertiser_address,
                data=packet.data,
                sid=packet.sid,
                scan_response=self._scan_response_of(packet.advertiser_address),
            )
        super().send_advertising_pdu(packet)

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        """Report it where bumble reports the advertisement again."""
        self._scan_response = pdu.scan_response if isinstance(pdu, _AnsweringAdvertisement) else None
        super().on_advertising_pdu(pdu)
        self._scan_response = None

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """See `on_advertising_pdu`."""
        response = self._scan_response
        if response is not None and isinstance(packet, hci.HCI_LE_Extended_Advertising_Report_Event):
            event_type = hci.HCI_LE_Extended_Advertising_Report_Event.EventType
            for report in packet.reports:
                if report.event_type & event_type.SCAN_RESPONSE:
                    report.data = response
                else:
                    report.event_type |= event_type.SCANNABLE_ADVERTISING
            packet = hci.HCI_LE_Extended_Advertising_Report_Event(packet.reports)
        super().send_hci_packet(packet)

    def _scan_response_of(self, address: hci.Address) -> bytes:
        for advertising in self.advertising_sets.values():
            if advertising.address == address:
                return bytes(advertising.scan_response_data)
        return b""


class CancelledConnection(Controller):
    """Fault: LE Create Connection Cancel is acknowledged, and the connection that is being made is neither given up
    nor reported: whoever connects to a key that has gone waits for ever.
    """

    def on_hci_le_create_connection_cancel_command(
        self, command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Report it as ended (Bluetooth Core 5.4, vol 4, part E, 7.8.13)."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        asyncio.get_running_loop().call_soon(
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


class EnhancedConnectionComplete(Controller):
    """Fault: a connection is reported by the old event to a host that has asked for the enhanced one. Linux, which asks
    for it wherever the controller knows private addresses, waits for it for 4 s in which it does nothing else, and then
    takes the connection for one that cannot be ended: nobody else finds the key.
    """

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """The enhanced one instead (Bluetooth Core 5.4, vol 4, part E, 7.7.65.10)."""
        if isinstance(packet, hci.HCI_LE_Connection_Complete_Event) and self.le_event_mask & _ENHANCED:
            packet = hci.HCI_LE_Enhanced_Connection_Complete_Event(
                local_resolvable_private_address=hci.Address.ANY_RANDOM,
                peer_resolvable_private_address=hci.Address.ANY_RANDOM,
                **{each.name: getattr(packet, each.name) for each in fields(packet)},
            )
        super().send_hci_packet(packet)


class FixedLink(DataFromTheConnectionsAddress):
    """The air, with every work-around."""


class FixedController(ScanResponse, CancelledConnection, EnhancedConnectionComplete):
    """A controller with every work-around."""
